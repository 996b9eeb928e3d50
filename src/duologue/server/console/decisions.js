// The drawer that shows each decision with its reason, the newest first.

import { explain } from "./explain.js";

const MAX_SHOWN = 200;

export class Decisions {
  constructor(root) {
    this.list = root.querySelector("ol");
    this.states = Object.fromEntries(["user", "agent", "session"].map((name) => [name, root.querySelector(`#state-${name}`)]));
    this.clear();
  }

  clear() {
    this.list.replaceChildren();
    this.kept = []; // what is shown, for the export
    this.begin();
  }

  /** A new session: its time starts at 0. */
  begin() {
    this.before = null;
    this.at = 0;
  }

  /** Takes any message of the server. */
  take(message) {
    this.at = Math.max(this.at, message.at_s ?? 0);
    if (message.type === "state") for (const [name, shown] of Object.entries(this.states)) shown.textContent = message[name];
    const joined = this.joined(message);
    const explained = explain(joined, this.before);
    if (message.type === "state") this.before = message;
    if (explained) this.show(joined, ...explained);
  }

  /** Merges a gap with the one that it continues: the server reports a long one five times a second. */
  joined(message) {
    const last = this.kept.at(-1)?.message;
    if (message.name !== "audio_gap" || last?.name !== "audio_gap") return message;
    if (last.reason !== message.reason || last.fields.end !== message.fields.start) return message;
    this.kept.pop();
    this.list.firstChild.remove();
    return { ...message, fields: { ...message.fields, start: last.fields.start } };
  }

  show(message, kind, title, why) {
    const at = message.type === "speech.started" || message.type === "speech.stopped" ? message.at_s : this.at;
    this.kept.push({ at_s: at, title, why, message });
    if (this.kept.length > MAX_SHOWN) this.kept.shift();
    const item = document.createElement("li");
    item.className = kind;
    const time = document.createElement("time");
    time.textContent = clock(at);
    const name = document.createElement("b");
    name.textContent = title;
    const text = document.createElement("p");
    text.textContent = why;
    item.append(time, name, text);
    item.title = [message.name ?? message.type, message.reason].filter(Boolean).join(": ");
    this.list.prepend(item);
    if (this.list.children.length > MAX_SHOWN) this.list.lastChild.remove();
  }
}

function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
}
