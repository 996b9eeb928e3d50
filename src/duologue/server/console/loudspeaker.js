// The loudspeaker: plays the agent's voice, stops at once, and tells how far the sound has come to the ear.

import { Context } from "./context.js";
import { devices } from "./input.js";

export const OUTPUT_RATE = 24000;
const MAX_QUEUED = 60 * OUTPUT_RATE; // samples that wait while nothing sounds; those after them are dropped
const CHOSEN_WITHIN = 3000; // milliseconds that a browser may take to play to another device

/** True where the browser can play to another device than the system's own. */
export const choosesOutput = "setSinkId" in AudioContext.prototype;

export class Loudspeaker {
  /** Calls `changed()` when `fault` or `device` changes, and `moved(why, before)` when another plays: `gone` or `back`. */
  constructor({ preferred }, { changed, moved }) {
    Object.assign(this, { preferred, changed, moved });
    const options = { sampleRate: OUTPUT_RATE, latencyHint: "interactive" };
    this.context = new Context("playback-worklet.js", options, { changed, renewed: () => this.renew() });
    this.device = ""; // in use: an id, "" for the system's own
    this.label = "";
    this.playback = this.hears = null;
    this.marked = 0; // everything before it has come to the ear
    this.stale = -1; // this generation and older are over
    this.paused = false;
    this.dropped = 0; // samples
  }

  async open() {
    await this.context.open();
    if (this.preferred && choosesOutput && !(await this.sink(this.preferred).catch(() => false))) this.moved("gone", "");
  }

  /** What keeps it from sounding: suspended, interrupted, closed, stuck; else null. */
  get fault() {
    return this.context.fault;
  }

  /** Begins at position 0; calls `mark(position)` as it plays. */
  attach({ mark }) {
    this.detach();
    this.hears = mark;
    this.marked = 0;
    this.stale = -1;
    this.paused = false;
    this.playing();
  }

  playing() {
    const { audio } = this.context;
    const processorOptions = { position: this.marked, stale: this.stale, paused: this.paused };
    this.playback = new AudioWorkletNode(audio, "playback", { numberOfInputs: 0, outputChannelCount: [1], processorOptions });
    this.playback.port.onmessage = ({ data: { position } }) => {
      if (position > this.marked) this.hears((this.marked = position));
    };
    this.playback.onprocessorerror = () => this.context.fail();
    this.timer = setInterval(() => this.measure(), 1000);
    this.measure();
    this.playback.connect(audio.destination);
  }

  /** The way to the ear changes when headphones come and go. */
  measure() {
    const { audio } = this.context;
    const seconds = Math.min(1, audio.outputLatency || audio.baseLatency || 0);
    this.playback.port.postMessage({ type: "delay", seconds });
  }

  /** Silence, at once and for good, until attached again. */
  detach() {
    clearInterval(this.timer);
    if (!this.playback) return;
    this.playback.port.onmessage = this.playback.onprocessorerror = null;
    this.playback.disconnect();
    this.playback = this.hears = null;
  }

  play({ generation, position, samples }) {
    if (position - this.marked > MAX_QUEUED) {
      this.dropped += samples.length;
      return;
    }
    const floats = Float32Array.from(samples, (sample) => sample / 32768);
    this.playback?.port.postMessage({ type: "frame", generation, position, samples: floats }, [floats.buffer]);
  }

  pause() {
    this.paused = true;
    this.playback?.port.postMessage({ type: "pause" });
  }

  resume() {
    this.paused = false;
    this.playback?.port.postMessage({ type: "resume" });
  }

  flush(generation) {
    this.paused = false;
    this.stale = generation;
    this.playback?.port.postMessage({ type: "flush", generation });
  }

  /** Plays to this device, which is preferred from now on. Throws where it cannot, and goes on with the one before. */
  async use(id) {
    await this.sink(id);
    this.preferred = id;
  }

  async sink(id) {
    if (!choosesOutput) return false;
    const found = await devices("audiooutput");
    let late;
    const timeout = new Promise((_, fail) => (late = setTimeout(fail, CHOSEN_WITHIN, new Error("It does not answer."))));
    try {
      await Promise.race([this.context.audio.setSinkId(id), timeout]);
    } finally {
      clearTimeout(late);
    }
    this.device = id;
    this.label = found.find(({ deviceId }) => deviceId === id)?.label ?? "";
    this.changed();
    return true;
  }

  /** Something was plugged in or out. */
  async follow() {
    const found = await devices("audiooutput");
    const has = (id) => found.some(({ deviceId }) => deviceId === id);
    const before = this.label;
    if (this.device && !has(this.device) && found.some(({ deviceId }) => deviceId)) {
      // Where even the system's own is refused, a context that is made anew plays to it.
      if (!(await this.sink("").catch(() => false))) {
        this.device = "";
        this.context.renew();
      }
      this.moved("gone", before);
    } else if (this.preferred && this.device !== this.preferred && has(this.preferred)) {
      if (await this.sink(this.preferred).catch(() => false)) this.moved("back", before);
    }
  }

  /** The context is another one; what waited in the one before is lost. */
  renew() {
    const { hears, device } = this;
    this.detach();
    this.hears = hears;
    if (hears) this.playing();
    if (device) this.sink(device).catch(() => (this.device = ""));
    this.changed();
  }

  close() {
    this.detach();
    this.context.close();
  }
}
