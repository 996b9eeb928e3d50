// What the microphone hears and what the detectors make of it: three numbers, and the last seconds as a strip.

const COLUMN_FRAMES = 3; // of 20 ms
const COLUMN_PX = 3;
const SCORE_COLUMNS = 4; // that a score is drawn over
const OWN_VOICE = 0.6; // the share from which the server takes sound for the agent's own
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Meter {
  constructor(root) {
    this.canvas = root.querySelector("canvas");
    const [level, speech, end] = root.querySelectorAll("dd");
    this.names = root.querySelectorAll("dt");
    this.readouts = { level, speech, end };
    this.reset();
  }

  reset() {
    this.columns = [];
    this.frames = 0;
    this.peak = 0;
    this.opinion = { speech: null, echo_ratio: 0 };
    this.score = null;
    this.fresh = 0;
    for (const readout of Object.values(this.readouts)) show(readout, null, "–");
    this.draw();
  }

  /** The server's opinion: a `meter` message. */
  told(opinion) {
    this.opinion = opinion;
    const { speech, echo_ratio, end_of_turn, silence_s } = opinion;
    show(this.readouts.speech, speech, echo_ratio >= OWN_VOICE ? `${speech.toFixed(2)} own voice` : speech.toFixed(2));
    if (end_of_turn !== null) this.scored(end_of_turn, silence_s);
  }

  /** The end of the turn was scored; the number stays until the user speaks again. */
  scored(probability, silence) {
    show(this.readouts.end, probability, `${probability.toFixed(2)} after ${silence.toFixed(1)} s`);
    this.score = probability;
    this.fresh = SCORE_COLUMNS;
  }

  /** The user speaks: what was scored no longer holds. */
  spoke() {
    show(this.readouts.end, null, "–");
    this.score = null;
  }

  /** The peak of a frame of the microphone, 0 to 1; `off` is what to show instead while that is not heard. */
  level(peak, off = "") {
    this.peak = Math.max(this.peak, peak);
    if (++this.frames % COLUMN_FRAMES) return;
    const decibels = Math.max(-60, 20 * Math.log10(this.peak || 1e-3));
    const { speech, echo_ratio } = this.opinion;
    const end = this.fresh-- > 0 ? this.score : null;
    this.columns.push({ level: 1 + decibels / 60, speech: echo_ratio >= OWN_VOICE ? 0 : speech, end });
    const text = decibels > -60 ? `${Math.round(decibels)} dB`.replace("-", "−") : "silent";
    show(this.readouts.level, Math.round(decibels), off || text);
    this.peak = 0;
    if (!still.matches) this.draw();
  }

  /** No frames come: the last level no longer holds. */
  stop(off) {
    show(this.readouts.level, null, off);
  }

  draw() {
    const { canvas, columns } = this;
    const ratio = window.devicePixelRatio;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const count = Math.floor(width / COLUMN_PX);
    columns.splice(0, Math.max(0, columns.length - count));
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const left = width - columns.length * COLUMN_PX;
    // In the colours of the marks beside the numbers, whatever the theme.
    const [levels, speech, end] = [...this.names].map((name) => getComputedStyle(name, "::before").backgroundColor);
    pen.fillStyle = levels;
    columns.forEach(({ level }, i) => {
      const tall = Math.max(1, level * (height - 2));
      pen.fillRect(left + i * COLUMN_PX, (height - tall) / 2, COLUMN_PX - 1, tall);
    });
    this.line(pen, left, height, speech, "speech");
    this.line(pen, left, height, end, "end");
  }

  line(pen, left, height, colour, key) {
    pen.strokeStyle = colour;
    pen.lineWidth = key === "end" ? 3 : 1.5;
    pen.lineCap = "round";
    pen.lineJoin = "round";
    pen.beginPath();
    let drawing = false;
    this.columns.forEach((column, i) => {
      const value = column[key];
      if (value === null) return (drawing = false);
      const [x, y] = [left + (i + 0.5) * COLUMN_PX, 1.5 + (1 - value) * (height - 3)];
      if (drawing) pen.lineTo(x, y);
      else pen.moveTo(x - COLUMN_PX, y), pen.lineTo(x, y);
      drawing = true;
    });
    pen.stroke();
  }
}

function show(readout, value, text) {
  readout.textContent = text;
  readout.ariaValueText = text;
  if (value === null) readout.removeAttribute("aria-valuenow");
  else readout.ariaValueNow = value;
}
