// The choice of microphone and loudspeaker. Each list follows what is plugged in and shows what is in use.

import { devices, mayListen } from "./input.js";
import { choosesOutput } from "./loudspeaker.js";
import { setting } from "./settings.js";

const NONE = "none"; // the value of the line that is shown where nothing is in use

export class Devices {
  /**
   * `inUse(name)` gives {device, label} of `input` or `output` in a conversation, else null. Calls `chosen(name, id)` when
   * another one is chosen, and `changed()` when something was plugged in or out, or the permission is another.
   */
  constructor({ input, output, note }, { inUse, chosen, changed }) {
    this.selects = { input, output };
    this.note = note;
    this.inUse = inUse;
    this.newest = 0;
    for (const [name, select] of Object.entries(this.selects)) select.onchange = () => chosen(name, select.value);
    output.disabled = !choosesOutput;
    if (mayListen()) navigator.mediaDevices.addEventListener("devicechange", changed);
    // Not every browser tells of this permission.
    navigator.permissions
      ?.query({ name: "microphone" })
      .then((permission) => permission.addEventListener("change", changed))
      .catch(() => {});
  }

  /** Lists what there is; names are known only once the microphone has been allowed. Returns the microphones. */
  async refresh() {
    const mine = (this.newest += 1);
    const found = { input: await devices("audioinput"), output: await devices("audiooutput") };
    if (mine === this.newest) {
      for (const name of Object.keys(this.selects)) this.list(name, found[name]);
      this.describe(found.input);
    }
    return found.input;
  }

  list(name, found) {
    const select = this.selects[name];
    const used = this.inUse(name);
    const named = found.filter(({ deviceId, label }) => deviceId !== "default" && label);
    const has = (id) => named.some(({ deviceId }) => deviceId === id);
    const lines = named.map(({ label, deviceId }) => [label, deviceId]);
    const label = used?.device === "" ? used.label.replace(/^Default - /, "") : "";
    lines.unshift([label ? `System default (${label})` : "System default", ""]);
    let value = used ? used.device : has(setting(name)) ? setting(name) : "";
    if (value === null || (value && !has(value))) {
      lines.unshift([used.label && value !== null ? used.label : "None in use", NONE]);
      value = NONE;
    }
    // A list that is open closes when its lines are replaced.
    const same = lines.length === select.length && lines.every(([text, id], i) => select[i].text === text && select[i].value === id);
    if (!same) select.replaceChildren(...lines.map(([text, id]) => new Option(text, id)));
    for (const option of select.options) option.disabled = option.value === NONE;
    select.value = value;
  }

  describe(found) {
    const notes = [];
    if (!mayListen()) notes.push("Browsers allow a microphone over HTTPS or on localhost only. This page can be typed to.");
    else if (!found.some(({ label }) => label)) notes.push("The devices are listed once the microphone has been allowed: press Talk.");
    if (!choosesOutput) notes.push("This browser plays to the system’s own loudspeaker only.");
    this.note.textContent = notes.join(" ");
  }
}
