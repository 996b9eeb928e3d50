// What the operations page is drawn with: tables that change in place, a chart, and the bars of a turn's parts.

import { PARTS, labelOf } from "./parts.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 720;
const HEIGHT = 160;
const LEFT = 52;
const BOTTOM = 20;

/** An element with text, and attributes or children. */
export function element(tag, { text, className, title, href } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  if (title) made.title = title;
  if (href) made.href = href;
  made.append(...children);
  return made;
}

/** Replaces what `host` shows if it changed, so that nothing flickers and a selection stays. */
export function show(host, ...children) {
  const next = element(host.tagName, {}, ...children);
  if (host.innerHTML !== next.innerHTML) host.replaceChildren(...next.childNodes);
}

/** A table of `rows`, each a list of cells, with these headings; `nothing` if there are none. */
export function table(host, headings, rows, nothing) {
  if (!rows.length) {
    show(host, element("tbody", {}, element("tr", {}, element("td", { text: nothing, className: "nothing" }))));
    return;
  }
  const cell = (value) => (value instanceof Node ? element("td", {}, value) : element("td", { text: value }));
  const head = element("tr", {}, ...headings.map((text) => element("th", { text })));
  const body = rows.map((cells) => element("tr", {}, ...cells.map(cell)));
  show(host, element("thead", {}, head), element("tbody", {}, ...body));
}

/** Names with their values and, where the name does not say all, what it means; as a description list. */
export function figures(host, rows) {
  const one = ([name, value, title]) => element("div", { title }, element("dt", { text: name }), element("dd", { text: value }));
  show(host, ...rows.map(one));
}

/** The colors of the parts with what each means. */
export function legend(host) {
  const rows = Object.entries(PARTS).map(([name, { label, meaning }]) =>
    element("li", {}, element("i", { className: name }), element("b", { text: label }), ` ${meaning}`),
  );
  show(host, ...rows);
}

/** The parts of one turn as a bar, on the scale of the slowest. */
export function bar(parts, scale) {
  const made = element("span", { className: "parts" });
  for (const name of Object.keys(PARTS)) {
    const seconds = parts[name] ?? 0;
    if (seconds < 0.0005) continue;
    const part = element("i", { className: name, title: `${labelOf(name)}: ${time(seconds)}` });
    part.style.width = `${((100 * seconds) / scale).toFixed(2)}%`;
    made.append(part);
  }
  return made;
}

/** Percentiles and turns by the minute, for the hour before `now` (Unix time). */
export function chart(host, history, now) {
  const from = now - 3600;
  const right = WIDTH - 8;
  const top = Math.max(1, ...history.map(({ p95_s }) => p95_s ?? 0)) * 1.1;
  const most = Math.max(1, ...history.map(({ turns }) => turns));
  const x = (at) => LEFT + (Math.min(1, (at - from) / 3600)) * (right - LEFT);
  const y = (share) => (HEIGHT - BOTTOM) * (1 - share);
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  svg.append(shape("title", {}, `Latency by the minute: ${history.length} minutes with turns`));
  for (const value of [0, top / 2, top]) {
    const level = y(value / top);
    svg.append(shape("line", { x1: LEFT, x2: WIDTH, y1: level, y2: level, class: "grid" }));
    svg.append(shape("text", { x: LEFT - 6, y: Math.max(level + 4, 10), "text-anchor": "end" }, time(value)));
  }
  for (const minutes of [60, 30, 0]) {
    const anchor = minutes === 60 ? "start" : minutes ? "middle" : "end";
    const at = x(now - 60 * minutes);
    svg.append(shape("text", { x: at, y: HEIGHT - 4, "text-anchor": anchor }, minutes ? `${minutes} min ago` : "now"));
  }
  const width = (right - LEFT) / 60 - 3;
  for (const { at, turns } of history) {
    const height = (0.35 * (HEIGHT - BOTTOM) * turns) / most;
    const place = { x: Math.min(x(at), right - width), y: HEIGHT - BOTTOM - height, width, height, class: "turns" };
    svg.append(shape("rect", place, "", `${turns} turns`));
  }
  for (const name of ["p95", "p50"]) {
    const points = history.filter((minute) => minute[`${name}_s`] !== null).map((minute) => `${x(minute.at + 30).toFixed(1)},${y(minute[`${name}_s`] / top).toFixed(1)}`);
    svg.append(shape("polyline", { points: points.join(" "), class: name }));
    for (const point of points) {
      const [cx, cy] = point.split(",");
      svg.append(shape("circle", { cx, cy, r: 2, class: name }));
    }
  }
  show(host, svg);
}

function shape(tag, attributes, text = "", title = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  if (title) made.append(shape("title", {}, title));
  return made;
}

/** Seconds as people read them. */
export function time(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 2 : 0)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** A number with thousands apart. */
export function count(number) {
  return Math.round(number ?? 0).toLocaleString("en");
}
