// Shortcuts of a single key. They rest while something is typed or chosen, and can be turned off.

import { setting } from "./settings.js";

const TYPED_INTO = "input:not([type=radio], [type=checkbox]), select, textarea";
const PRESSED = "button, summary, a, input, select"; // what Space does something to by itself

/** `shortcuts` are [{key, name, label, run, held}]; `run` is given true when pressed and, where `held`, false when let go. */
export function listenToKeys(shortcuts) {
  const find = ({ key, target, ctrlKey, metaKey, altKey }) => {
    if (ctrlKey || metaKey || altKey) return null;
    const found = shortcuts.find((shortcut) => shortcut.key === key.toLowerCase());
    if (!found || (found.key === "escape" ? false : !setting("shortcuts"))) return null;
    if (found.key !== "escape" && target.closest(TYPED_INTO)) return null;
    return found.key === " " && target.closest(PRESSED) ? null : found;
  };
  let held = null;
  document.addEventListener("keydown", (event) => {
    const found = find(event);
    if (!found || event.defaultPrevented) return;
    if (found.key !== "escape" || found.wants()) event.preventDefault();
    if (event.repeat) return;
    if (found.held) held = found;
    found.run(true);
  });
  const release = (event) => {
    if (!held || (event.key && event.key.toLowerCase() !== held.key)) return;
    held.run(false);
    held = null;
  };
  document.addEventListener("keyup", release);
  window.addEventListener("blur", release);
}

/** Lists them for people. */
export function showShortcuts(list, shortcuts) {
  for (const { name, label } of shortcuts) {
    const term = document.createElement("dt");
    const key = document.createElement("kbd");
    key.textContent = name;
    term.append(key);
    const text = document.createElement("dd");
    text.textContent = label;
    const row = document.createElement("div");
    row.append(term, text);
    list.append(row);
  }
}
