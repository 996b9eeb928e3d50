// The agent's voice: plays frames in order, holds them while paused, drops them when their reply is over, and tells how
// far it has come.

const FADE = 64; // samples in which sound fades before it stops, so that it does not click
const MARK_EVERY = 0.1; // seconds

class Playback extends AudioWorkletProcessor {
  constructor({ processorOptions: { position = 0, stale = -1, paused = false } = {} }) {
    super();
    this.queue = []; // {generation, position, samples}, the first of them sounding
    this.offset = 0; // samples of the first that have sounded
    this.stale = stale; // this generation and older are dropped
    this.paused = paused;
    this.gain = paused ? 0 : 1;
    this.position = position; // everything before it has left this processor
    this.latency = 0; // samples from here to the ear
    this.trail = []; // [time in samples, position]: what is on its way to the ear
    this.marked = this.position;
    this.markAt = 0;
    this.sounding = false;
    this.port.onmessage = ({ data }) => this[data.type](data);
  }

  frame({ generation, position, samples }) {
    if (generation > this.stale) this.queue.push({ generation, position, samples });
  }

  pause() {
    this.paused = true;
  }

  resume() {
    this.paused = false;
  }

  /** Keeps of a stale reply only what it takes to fade out. */
  flush({ generation }) {
    this.stale = Math.max(this.stale, generation);
    const [first] = this.queue;
    this.queue = this.queue.filter((chunk) => chunk.generation > this.stale);
    if (!first || first.generation > this.stale) return;
    const tail = first.samples.subarray(this.offset, this.offset + FADE);
    this.offset = 0;
    if (this.gain > 0 && !this.paused) {
      const samples = tail.map((sample, i) => sample * this.gain * (1 - i / tail.length));
      this.queue.unshift({ ...first, samples, silent: true });
    }
    this.paused = false;
    this.gain = 1;
  }

  delay({ seconds }) {
    this.latency = Math.round(seconds * sampleRate);
  }

  process(_, [[output]]) {
    for (let i = 0; i < output.length; i++) output[i] = this.next();
    this.report();
    return true;
  }

  next() {
    const [chunk] = this.queue;
    const target = this.paused ? 0 : 1;
    if (this.gain !== target) this.gain = clamp(this.gain + (target ? 1 : -1) / FADE);
    if (!chunk || this.gain === 0) return 0;
    const sample = chunk.samples[this.offset++];
    if (!chunk.silent) this.position = chunk.position + this.offset;
    if (this.offset >= chunk.samples.length) {
      this.queue.shift();
      this.offset = 0;
    }
    return sample * this.gain;
  }

  report() {
    const now = currentFrame;
    this.trail.push([now, this.position]);
    while (this.trail.length > 1 && this.trail[1][0] <= now - this.latency) this.trail.shift();
    const sounding = this.queue.length > 0 && !this.paused;
    const heard = this.trail[0][0] <= now - this.latency ? this.trail[0][1] : this.marked;
    const due = now >= this.markAt && heard > this.marked;
    if (!due && sounding === this.sounding) return;
    if (due) {
      this.marked = heard;
      this.markAt = now + MARK_EVERY * sampleRate;
    }
    this.sounding = sounding;
    this.port.postMessage({ position: this.marked, sounding });
  }
}

function clamp(gain) {
  return Math.max(0, Math.min(1, gain));
}

registerProcessor("playback", Playback);
