// The button: begins a conversation; in one, it ends it, or is held to talk.

export class TalkButton {
  /** `press()` when it is clicked, `hold(true or false)` where it is held. */
  constructor(button, { press, hold }) {
    this.button = button;
    this.label = button.querySelector(".label");
    this.held = false;
    this.holds = false;
    const set = (down) => {
      if (down === this.held) return;
      this.held = down;
      button.classList.toggle("held", down);
      hold(down);
    };
    this.set = set;
    button.onclick = () => this.holds || press();
    button.onpointerdown = (event) => {
      if (!this.holds || event.button) return;
      button.setPointerCapture(event.pointerId);
      set(true);
    };
    button.onpointerup = button.onpointercancel = button.onlostpointercapture = button.onblur = () => set(false);
    button.onkeydown = (event) => {
      if (!this.holds || (event.key !== " " && event.key !== "Enter")) return;
      event.preventDefault();
      if (!event.repeat) set(true);
    };
    button.onkeyup = (event) => {
      if (event.key === " " || event.key === "Enter") set(false);
    };
    button.oncontextmenu = (event) => this.holds && event.preventDefault(); // a long press on a phone
  }

  /** Shows what it does now: `Talk`, `End` or `Hold to talk`. */
  show(label) {
    this.label.textContent = label;
    this.holds = label === "Hold to talk";
    if (!this.holds) this.set(false);
    this.button.dataset.does = this.holds ? "hold" : label.toLowerCase();
  }
}
