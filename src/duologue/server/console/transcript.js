// The transcript of both sides: words arrive, change, are heard, or are cut off.

import { waterfall } from "./waterfall.js";

const MAX_ENTRIES = 500;
const MAX_TOOLS = 32; // of one reply
const MAX_EARLY = 8; // replies whose tools were called before they said anything
const CUT = {
  duration: "You spoke over it.",
  words: "You spoke over it.",
  manual: "You pressed the button to talk.",
  text: "You typed over it.",
  request: "You silenced it.",
  went_on: "You went on.",
};

export class Transcript {
  constructor(list) {
    this.list = list;
    this.entries = new Map(); // "user 3" and "agent 5" → {item, body, words, kind, text, …}
    this.session = this.notes = 0;
    this.agent = "Agent"; // its name
    this.early = new Map(); // tools of replies that have no entry yet
  }

  clear() {
    this.entries.clear();
    this.list.replaceChildren();
  }

  /** A new session begins: its numbers are its own, and what was said before is none of its business. */
  begin(note = "") {
    this.session += 1;
    this.early.clear();
    if (note && this.entries.size) this.divide(note);
  }

  /** A line of the page's own. */
  divide(note) {
    const item = document.createElement("li");
    item.className = "divider";
    item.textContent = note;
    this.list.append(item);
    this.entries.set(`note ${++this.notes}`, { item, kind: "note", text: note });
    this.follow();
  }

  /** What the user says or has said; empty words take the entry away. */
  user(turn, text, { partial = false } = {}) {
    if (!text && !partial) return this.remove(`user ${turn}`);
    const entry = this.entry(`user ${turn}`, "user", "You");
    entry.text = text;
    entry.words.replaceChildren(span(text || "…", partial ? "partial" : ""));
    entry.words.ariaLive = partial ? "off" : null;
    this.follow();
  }

  /** A clause that the agent is about to say. */
  clause(generation, text) {
    const entry = this.entry(`agent ${generation}`, "agent", this.agent);
    entry.text = `${entry.text ?? ""} ${text}`.trim();
    if (!entry.over) entry.words.replaceChildren(span(entry.text));
    this.follow();
  }

  /** What was heard of a reply; the rest is shown as not heard. */
  heard(generation, text, said) {
    const entry = this.find(`agent ${generation}`);
    if (!entry) return;
    entry.over = true;
    entry.heard = text;
    const rest = said.startsWith(text) ? said.slice(text.length) : text ? "" : said;
    entry.words.replaceChildren(span(text));
    if (rest.trim()) {
      entry.words.append(span(rest, "unheard"));
      this.note(entry, `${CUT[entry.cause] ?? "It was cut off."} The struck-out words were not heard.`);
    }
    this.follow();
  }

  /** The reply was cut off; a message with the heard text follows. */
  cut(generation, cause) {
    const entry = this.find(`agent ${generation}`);
    if (!entry || entry.over) return;
    entry.cause = cause;
    this.heard(generation, "", entry.text);
  }

  note(entry, text) {
    entry.note ??= document.createElement("p");
    entry.note.className = "note";
    entry.note.textContent = text;
    entry.words.after(entry.note);
  }

  /** A reply that nobody will hear anything of. */
  discard(generation) {
    this.early.delete(generation);
    this.remove(`agent ${generation}`);
  }

  /** How long the turn took. The newest is open; one that nobody has touched closes when the next comes. */
  latency(message) {
    // A reply that was ready sounds at the moment of the decision, before the message with its words.
    const entry = this.entry(`agent ${message.generation}`, "agent", this.agent);
    entry.latency = message;
    entry.tools = this.early.get(message.generation) ?? [];
    this.early.delete(message.generation);
    if (this.newest && !this.newest.touched) this.newest.open = false;
    this.newest = this.time(entry, { open: true });
    this.follow();
  }

  /** A tool that was called for a reply, before it sounds or after. */
  tool(call) {
    const entry = this.find(`agent ${call.generation}`);
    const tools = entry?.tools ?? this.early.get(call.generation) ?? [];
    if (tools.length < MAX_TOOLS) tools.push(call);
    if (entry?.latency) {
      const newest = this.newest === entry.timing;
      const { open, touched } = entry.timing;
      const timing = this.time(entry, { open, touched });
      if (newest) this.newest = timing;
      return this.follow();
    }
    this.early.set(call.generation, tools);
    if (this.early.size > MAX_EARLY) this.early.delete(this.early.keys().next().value);
  }

  time(entry, { open, touched = false }) {
    const timing = waterfall(entry.latency, entry.tools);
    timing.open = open;
    timing.touched = touched;
    timing.querySelector("summary").onclick = () => (timing.touched = true);
    entry.timing?.remove();
    entry.body.append(timing);
    entry.timing = timing;
    return timing;
  }

  find(key) {
    return this.entries.get(`${this.session} ${key}`);
  }

  entry(key, kind, who) {
    const known = this.find(key);
    if (known) return known;
    const item = document.createElement("li");
    item.className = `entry ${kind}`;
    const body = document.createElement("div");
    const words = document.createElement("p");
    words.className = "said";
    body.append(words);
    item.append(span(who, "who"), body);
    this.list.append(item);
    const entry = { item, body, words, kind, who };
    this.entries.set(`${this.session} ${key}`, entry);
    if (this.entries.size > MAX_ENTRIES) this.drop(this.entries.keys().next().value);
    return entry;
  }

  remove(key) {
    this.drop(`${this.session} ${key}`);
  }

  drop(key) {
    this.entries.get(key)?.item.remove();
    this.entries.delete(key);
  }

  /** Stays with the newest words, unless the reader has scrolled up. */
  follow() {
    const view = this.list.parentElement;
    if (view.scrollHeight - view.scrollTop - view.clientHeight < 240) view.scrollTop = view.scrollHeight;
  }
}

function span(text, className = "") {
  const element = document.createElement("span");
  element.textContent = text;
  if (className) element.className = className;
  return element;
}
