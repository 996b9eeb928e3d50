// What went wrong, or is being waited for, and what can be done about it. Several may hold at once: the newest is shown.

const MAX_HISTORY = 100;

export class Notice {
  constructor(root) {
    this.root = root;
    const part = (name) => root.querySelector(`#notice-${name}`);
    this.parts = { title: part("title"), text: part("text"), count: part("count"), action: part("action") };
    part("close").onclick = () => this.hide(this.key);
    this.holding = new Map(); // by key, the newest last
    this.key = null; // of the one that is shown
    this.history = []; // titles, the newest last
  }

  get shown() {
    const { title, text } = this.holding.get(this.key) ?? {};
    return title ? { title, text } : null;
  }

  /** Shows one, in the place of that with the same key. `action` is {label, run}; with `seconds` the time runs down. */
  show(key, title, text, { action = null, seconds = null } = {}) {
    const due = seconds === null ? null : performance.now() + seconds * 1000;
    this.holding.delete(key);
    this.holding.set(key, { title, text, action, due });
    this.history.push(title);
    if (this.history.length > MAX_HISTORY) this.history.shift();
    this.draw();
  }

  /** Hides the one with this key, and shows what held before it. */
  hide(key) {
    if (this.holding.delete(key)) this.draw();
  }

  clear() {
    this.holding.clear();
    this.draw();
  }

  draw() {
    clearInterval(this.timer);
    const [key, notice] = [...this.holding].at(-1) ?? [null];
    this.key = key;
    if (!notice) {
      // The button that had the keyboard goes.
      if (this.root.contains(document.activeElement)) document.querySelector("main").focus();
      this.root.hidden = true;
      return;
    }
    const { title, text, action, due } = notice;
    this.parts.title.textContent = title;
    this.parts.text.textContent = text;
    this.parts.action.hidden = !action;
    this.parts.action.textContent = action?.label ?? "";
    this.parts.action.onclick = action?.run ?? null;
    this.parts.count.textContent = "";
    this.root.hidden = false;
    if (due !== null) this.countDown(due);
  }

  countDown(due) {
    const tell = () => {
      const left = Math.ceil((due - performance.now()) / 1000);
      this.parts.count.textContent = left > 0 ? `Next try in ${left} s.` : "Trying now.";
      if (left <= 0) clearInterval(this.timer);
    };
    this.timer = setInterval(tell, 1000);
    tell();
  }
}
