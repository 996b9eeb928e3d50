// How long one turn took, stage by stage: a bar at a glance, and each number when it is opened.

const STAGES = {
  words: "Words",
  score: "Score",
  decided: "Decided",
  first_text: "First token",
  first_clause: "First clause",
  first_audio: "First audio",
};
const SCALE = 0.6; // seconds from end to end, so that turns can be compared; slower turns fill it

/** The element for a `latency` message. */
export function waterfall({ processing_s, voice_to_voice_s, stages, speculation }) {
  const steps = Object.entries(stages).sort(([, a], [, b]) => a - b);
  const total = voice_to_voice_s ?? processing_s;
  const scale = Math.max(SCALE, ...steps.map(([, at]) => at));

  const bar = element("span", "waterfall");
  const rows = element("dl", "stages");
  rows.append(...row("Speech end", 0, element("i", "speech_end")));
  let from = 0;
  for (const [name, at] of steps) {
    const part = element("i", name);
    part.style.flexGrow = Math.max(0, at - from) / scale;
    bar.append(part);
    const span = element("i", name);
    span.style.insetInlineStart = `min(${percent(from / scale)}, 100% - 3px)`;
    span.style.width = percent(Math.max(0, at - from) / scale);
    rows.append(...row(STAGES[name] ?? name.replaceAll("_", " "), at, span));
    from = Math.max(from, at);
  }

  const summary = document.createElement("summary");
  const detail = `${milliseconds(processing_s)} processing${speculation === "hit" ? ", prepared" : ""}`;
  bar.ariaHidden = "true";
  summary.append(element("span", "figure", milliseconds(total)), bar, element("span", "detail", detail));
  summary.title = "From the end of your speech to the first sound of the answer";
  const details = element("details", "latency");
  details.ariaLive = "off";
  details.append(summary, rows);
  return details;
}

function row(name, at, span) {
  const track = element("span", "track");
  track.append(span);
  track.ariaHidden = "true";
  const value = element("dd", "");
  value.append(track, element("span", "at", milliseconds(at)));
  return [element("dt", "", name), value];
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function percent(share) {
  return `${(100 * share).toFixed(2)}%`;
}

export function milliseconds(seconds) {
  return seconds < 9.9995 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}
