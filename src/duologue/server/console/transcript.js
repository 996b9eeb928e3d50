// The words of both sides, as they come, change, are heard, or are cut off.

const MAX_ENTRIES = 500;

export class Transcript {
  constructor(list) {
    this.list = list;
    this.entries = new Map(); // "user 3" and "agent 5" → {item, words, …}
  }

  clear() {
    this.entries.clear();
    this.list.replaceChildren();
  }

  /** What the user says or has said; empty words take the entry away. */
  user(turn, text, { partial = false } = {}) {
    if (!text && !partial) return this.remove(`user ${turn}`);
    const { words } = this.entry(`user ${turn}`, "user", "You");
    words.replaceChildren(span(text || "…", partial ? "partial" : ""));
    words.ariaLive = partial ? "off" : null;
    this.follow();
  }

  /** A clause that the agent is about to say. */
  clause(generation, text) {
    const entry = this.entry(`agent ${generation}`, "agent", "Agent");
    entry.said = `${entry.said ?? ""} ${text}`.trim();
    if (!entry.over) entry.words.replaceChildren(span(entry.said));
    this.follow();
  }

  /** What was heard of a reply; the rest is shown as not heard. */
  heard(generation, text, said) {
    const entry = this.entries.get(`agent ${generation}`);
    if (!entry) return;
    entry.over = true;
    const rest = said.startsWith(text) ? said.slice(text.length) : text ? "" : said;
    entry.words.replaceChildren(span(text));
    if (rest.trim()) {
      const unheard = span(rest, "unheard");
      unheard.title = "Not heard";
      entry.words.append(unheard, span(" not heard", "visually-hidden"));
    }
    this.follow();
  }

  /** The reply was cut off; what was heard of it is told soon. */
  cut(generation) {
    for (const [key, entry] of this.entries) {
      const [who, number] = key.split(" ");
      if (who === "agent" && Number(number) <= generation && !entry.over) this.heard(Number(number), "", entry.said);
    }
  }

  /** A reply that nobody will hear anything of. */
  discard(generation) {
    this.remove(`agent ${generation}`);
  }

  /** How long the turn took: a figure and a waterfall of its stages. */
  latency({ generation, processing_s, voice_to_voice_s, stages, speculation }) {
    const entry = this.entries.get(`agent ${generation}`);
    if (!entry) return;
    const total = voice_to_voice_s ?? processing_s;
    const figure = document.createElement("span");
    figure.textContent = milliseconds(total);
    const bar = document.createElement("span");
    bar.className = "waterfall";
    // The bar is a second long, so that turns can be compared; slower turns fill it.
    const steps = Object.entries(stages).sort(([, a], [, b]) => a - b);
    let from = 0;
    for (const [name, at] of steps) {
      const step = document.createElement("i");
      step.className = name;
      step.style.flexGrow = Math.max(0, at - from);
      from = Math.max(from, at);
      bar.append(step);
    }
    bar.title = steps.map(([name, at]) => `${name.replaceAll("_", " ")} ${milliseconds(at)}`).join("\n");
    bar.role = "img";
    bar.ariaLabel = bar.title.replaceAll("\n", ", ");
    const detail = document.createElement("span");
    detail.textContent = `${milliseconds(processing_s)} processing${speculation === "hit" ? ", prepared" : ""}`;
    const line = document.createElement("div");
    line.className = "latency";
    line.ariaLive = "off";
    line.append(figure, bar, detail);
    entry.body.querySelector(".latency")?.remove();
    entry.body.append(line);
    this.follow();
  }

  entry(key, kind, who) {
    const known = this.entries.get(key);
    if (known) return known;
    const item = document.createElement("li");
    item.className = `entry ${kind}`;
    const name = span(who, "who");
    const body = document.createElement("div");
    const words = document.createElement("p");
    body.append(words);
    item.append(name, body);
    this.list.append(item);
    const entry = { item, body, words };
    this.entries.set(key, entry);
    if (this.entries.size > MAX_ENTRIES) this.remove(this.entries.keys().next().value);
    return entry;
  }

  remove(key) {
    this.entries.get(key)?.item.remove();
    this.entries.delete(key);
  }

  /** Stays with the newest words, unless the reader has scrolled up. */
  follow() {
    const view = this.list.parentElement;
    if (view.scrollHeight - view.scrollTop - view.clientHeight < 160) view.scrollTop = view.scrollHeight;
  }
}

export function milliseconds(seconds) {
  return seconds < 9.9995 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

function span(text, className = "") {
  const element = document.createElement("span");
  element.textContent = text;
  if (className) element.className = className;
  return element;
}
