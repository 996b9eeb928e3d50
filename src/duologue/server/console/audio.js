// What the page shows about the audio of a conversation: what is wrong with it, and the devices that it uses.

import { Devices } from "./devices.js";
import { choose, setting } from "./settings.js";
import { Troubles, movedTo } from "./trouble.js";

export class AudioPanel {
  /** `elements` are those of Devices; `current()` gives the Call, or null. */
  constructor(elements, notice, current) {
    this.notice = notice;
    this.current = current;
    this.troubles = new Troubles(notice, () => current()?.look());
    this.devices = new Devices(elements, {
      inUse: (name) => (name === "input" ? current()?.microphone?.input : current()?.speaker) ?? null,
      chosen: (name, id) => this.choose(name, id),
      changed: () => this.look({ changed: true }),
    });
    this.devices.refresh();
  }

  /** Something about the audio or the connection of the call has changed. */
  update() {
    this.troubles.update(this.current()?.troubles ?? []);
    this.devices.refresh();
  }

  /** The page is seen again, or `changed`: what is plugged in, or the permission, is different. */
  async look({ changed = false } = {}) {
    await this.current()?.look();
    const inputs = await this.devices.refresh();
    if (this.current() || !changed) return;
    if (inputs.length) this.notice.hide("missing");
    if (inputs.some(({ label }) => label)) this.notice.hide("blocked");
  }

  /** Another microphone or loudspeaker is in use, and nobody has chosen it. */
  moved(kind, why, before, label) {
    const words = movedTo(kind, why, before, label);
    if (!words) return this.notice.hide(`moved-${kind}`);
    const keepIt = { label: "Keep it", run: () => this.choose(kind, "") };
    this.notice.show(`moved-${kind}`, ...words, { action: why === "gone" && setting(kind) ? keepIt : null });
  }

  async choose(name, id) {
    try {
      await this.current()?.use(name, id);
      choose(name, id);
      this.notice.hide(`moved-${name}`);
      this.notice.hide("device");
    } catch (error) {
      const text = error.title ? error.message : "The page goes on with the one before: choose another.";
      this.notice.show("device", error.title ?? "That loudspeaker cannot be used", text);
    }
    this.devices.refresh();
  }

  /** The call is over: the notices about its devices go. */
  over() {
    for (const kind of ["moved-input", "moved-output", "device"]) this.notice.hide(kind);
  }
}
