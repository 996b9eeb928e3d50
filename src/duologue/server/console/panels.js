// The panels at the side: one at a time; on a narrow screen one covers the page.

const narrow = matchMedia("(max-width: 60rem)");
const COVERED = "header, main, footer";

export class Panels {
  constructor(names) {
    this.open = null;
    this.panels = new Map(
      names.map((name) => [name, { panel: document.getElementById(name), button: document.getElementById(`${name}-toggle`) }]),
    );
    for (const [name, { panel, button }] of this.panels) {
      button.onclick = () => this.toggle(name);
      panel.querySelector(".close").onclick = () => this.show(null);
    }
    narrow.addEventListener("change", () => this.cover());
  }

  toggle(name) {
    this.show(this.open === name ? null : name);
  }

  /** Shows this panel, or none, and takes the keyboard along. */
  show(name) {
    const before = this.panels.get(this.open);
    this.open = name;
    for (const [other, { panel, button }] of this.panels) {
      panel.hidden = other !== name;
      button.ariaExpanded = String(other === name);
    }
    document.body.dataset.panel = name ?? "";
    this.cover();
    if (name) this.panels.get(name).panel.querySelector("h2").focus();
    else before?.button.focus();
  }

  cover() {
    for (const part of document.querySelectorAll(COVERED)) part.inert = narrow.matches && this.open !== null;
  }
}
