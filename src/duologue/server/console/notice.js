// What went wrong, or is being waited for, and what can be done about it.

const MAX_HISTORY = 100;

export class Notice {
  constructor(root) {
    this.root = root;
    const part = (name) => root.querySelector(`#notice-${name}`);
    this.parts = { title: part("title"), text: part("text"), count: part("count"), action: part("action") };
    part("close").onclick = () => this.hide();
    this.shown = null;
    this.history = []; // titles, the newest last
  }

  /** `action` is {label, run}; with `seconds` the time runs down beside the text. */
  show(title, text, { action = null, seconds = null } = {}) {
    this.shown = { title, text };
    this.history.push(title);
    if (this.history.length > MAX_HISTORY) this.history.shift();
    this.parts.title.textContent = title;
    this.parts.text.textContent = text;
    this.parts.action.hidden = !action;
    this.parts.action.textContent = action?.label ?? "";
    this.parts.action.onclick = action?.run ?? null;
    this.root.hidden = false;
    clearInterval(this.timer);
    this.parts.count.textContent = "";
    if (seconds !== null) this.countDown(Math.ceil(seconds));
  }

  countDown(left) {
    const tell = () => (this.parts.count.textContent = left > 0 ? `Next try in ${left} s.` : "Trying now.");
    tell();
    this.timer = setInterval(() => {
      left -= 1;
      tell();
      if (left <= 0) clearInterval(this.timer);
    }, 1000);
  }

  hide() {
    clearInterval(this.timer);
    this.shown = null;
    this.root.hidden = true;
  }
}
