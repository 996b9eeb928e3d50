// How long one turn took, part by part: a bar at a glance, and each part when it is opened. The parts add up to the
// latency of the turn. Tools that were called stand among them, each with how long it took.

import { PARTS, labelOf } from "./parts.js";

const WRONG = ["failed", "stopped"]; // outcomes of a tool
const LEAST = 0.0005; // seconds; shorter parts are not shown
const SCALE = 0.6; // seconds from end to end, so that turns can be compared; slower turns fill it

/** The element for a `latency` message and the `tool_called` of its reply. */
export function waterfall({ processing_s, voice_to_voice_s, parts, speculation }, tools = []) {
  const taken = Object.entries(parts).filter(([, seconds]) => seconds >= LEAST);
  const total = voice_to_voice_s ?? processing_s;
  const scale = Math.max(SCALE, total, ...tools.map(({ finished }) => finished));

  const bar = element("span", "waterfall");
  const lines = [];
  let from = 0;
  for (const [name, seconds] of taken) {
    const part = element("i", name);
    part.style.flexGrow = seconds / scale;
    bar.append(part);
    const end = from + seconds;
    const line = row(labelOf(name), milliseconds(seconds), span(name, from, end, scale));
    const when = `From ${milliseconds(from)} to ${milliseconds(end)} after the end of your speech`;
    line[0].title = PARTS[name] ? `${when}: ${PARTS[name].meaning}` : when;
    lines.push({ end, line });
    from = end;
  }
  for (const { name, started, finished, outcome } of tools) {
    const wrong = WRONG.includes(outcome);
    const took = `${wrong ? `${outcome}, ` : ""}+${milliseconds(finished - started)}`;
    const line = row(name, took, span(wrong ? "tool wrong" : "tool", started, finished, scale));
    line[0].className = "tool";
    line[0].title = `Tool ${name}, from ${milliseconds(started)} to ${milliseconds(finished)}`;
    lines.push({ end: finished, line });
  }
  const rows = element("dl", "stages");
  rows.append(...lines.sort((a, b) => a.end - b.end).flatMap(({ line }) => line));

  const summary = document.createElement("summary");
  const called = tools.length ? `, ${tools.length === 1 ? "1 tool" : `${tools.length} tools`}` : "";
  const detail = `${milliseconds(processing_s)} processing${speculation === "hit" ? ", prepared" : ""}${called}`;
  bar.ariaHidden = "true";
  summary.append(element("span", "figure", milliseconds(total)), bar, element("span", "detail", detail));
  summary.title = "From the end of your speech to the first sound of the answer";
  const details = element("details", "latency");
  details.ariaLive = "off";
  details.append(summary, rows);
  return details;
}

function row(name, figure, span) {
  const track = element("span", "track");
  track.append(span);
  track.ariaHidden = "true";
  const value = element("dd", "");
  value.append(track, element("span", "at", figure));
  return [element("dt", "", name), value];
}

function span(className, from, to, scale) {
  const made = element("i", className);
  made.style.insetInlineStart = `min(${percent(from / scale)}, 100% - 3px)`;
  made.style.width = percent(Math.max(0, to - from) / scale);
  return made;
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
