// The choice of microphone and loudspeaker, which follows what is plugged in.

import { choosesOutput } from "./loudspeaker.js";
import { mayListen } from "./microphone.js";
import { choose, setting } from "./settings.js";

export class Devices {
  /** `changed(name, id)` is called with `input` or `output` when another one is chosen. */
  constructor({ input, output, note }, changed) {
    this.selects = { input, output };
    this.note = note;
    for (const [name, select] of Object.entries(this.selects)) {
      select.onchange = () => {
        choose(name, select.value);
        changed(name, select.value);
      };
    }
    output.disabled = !choosesOutput;
    if (mayListen()) navigator.mediaDevices.addEventListener("devicechange", () => this.refresh());
  }

  /** Lists what there is; names are known only once the microphone has been allowed. */
  async refresh() {
    const found = mayListen() ? await navigator.mediaDevices.enumerateDevices() : [];
    for (const [name, select] of Object.entries(this.selects)) {
      const devices = found.filter(({ kind, deviceId, label }) => kind === `audio${name}` && deviceId !== "default" && label);
      select.replaceChildren(
        new Option("System default", ""),
        ...devices.map(({ label, deviceId }) => new Option(label, deviceId)),
      );
      select.value = setting(name);
      if (select.selectedIndex < 0) select.value = "";
    }
    const notes = [];
    if (!mayListen()) notes.push("Browsers allow a microphone over HTTPS or on localhost only. This page can be typed to.");
    else if (!found.some(({ label }) => label)) notes.push("The devices are listed once the microphone has been allowed: press Talk.");
    if (!choosesOutput) notes.push("This browser plays to the system’s own loudspeaker only.");
    this.note.textContent = notes.join(" ");
  }
}
