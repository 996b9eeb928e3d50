// The microphone at the device's own rate becomes 20 ms frames of 16 kHz PCM16, ready to be sent.

const RATE = 16000;
const FRAME = 320;
const HEADER_BYTES = 12;
const QUANTUM = new Float32Array(128); // of silence
const ZERO_CROSSINGS = 16; // on each side, at the lower rate: 60 dB down where the band folds back

/** A polyphase filter of Kaiser-windowed sincs, from any rate down (or up) to 16 kHz. */
class Resampler {
  constructor(rateIn, rateOut) {
    const divisor = gcd(rateIn, rateOut);
    this.stepIn = rateIn / divisor;
    this.phases = rateOut / divisor;
    const low = Math.min(rateIn, rateOut);
    const half = Math.ceil((ZERO_CROSSINGS * rateIn) / low);
    this.taps = 2 * half;
    this.filters = Array.from({ length: this.phases }, (_, phase) => {
      const filter = Float32Array.from({ length: this.taps }, (_, tap) => {
        const t = tap - half + 1 - phase / this.phases;
        const x = ((0.88 * low) / rateIn) * t;
        return (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)) * kaiser(t / half);
      });
      const gain = filter.reduce((sum, value) => sum + value, 0);
      return filter.map((value) => value / gain);
    });
    this.held = new Float32Array(this.taps - 1); // input that later output still depends on
    this.phase = 0;
    this.skip = 0; // input samples to pass before the next output
  }

  /** Calls `emit` with each output sample that this input completes. */
  process(input, emit) {
    const samples = new Float32Array(this.held.length + input.length);
    samples.set(this.held);
    samples.set(input, this.held.length);
    let at = this.skip;
    while (at + this.taps <= samples.length) {
      const filter = this.filters[this.phase];
      let sum = 0;
      for (let tap = 0; tap < this.taps; tap++) sum += samples[at + tap] * filter[tap];
      emit(sum);
      this.phase += this.stepIn;
      at += Math.floor(this.phase / this.phases);
      this.phase %= this.phases;
    }
    const keep = Math.min(at, samples.length);
    this.held = samples.slice(keep);
    this.skip = at - keep;
  }
}

function gcd(a, b) {
  return b ? gcd(b, a % b) : a;
}

/** The Kaiser window with beta 6, for x from -1 to 1. */
function kaiser(x) {
  return Math.abs(x) >= 1 ? 0 : bessel(6 * Math.sqrt(1 - x * x)) / bessel(6);
}

/** The modified Bessel function of order 0. */
function bessel(x) {
  let sum = 1;
  for (let k = 1, term = 1; term > 1e-9 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions: { position = 0 } = {} }) {
    super();
    this.resampler = sampleRate === RATE ? null : new Resampler(sampleRate, RATE);
    this.position = position;
    this.begin();
    this.emit = (sample) => this.push(sample);
  }

  begin() {
    this.message = new ArrayBuffer(HEADER_BYTES + 2 * FRAME);
    this.samples = new Int16Array(this.message, HEADER_BYTES);
    this.filled = 0;
    this.peak = 0;
  }

  push(sample) {
    this.peak = Math.max(this.peak, Math.abs(sample));
    this.samples[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
    if (this.filled < FRAME) return;
    const { message, peak } = this;
    new DataView(message).setBigUint64(0, BigInt(this.position), true); // the generation stays 0
    this.position += FRAME;
    this.begin();
    this.port.postMessage({ message, peak }, [message]);
  }

  /** Without a microphone it is silence, so that the server need not fill gaps. */
  process([[channel = QUANTUM]]) {
    if (this.resampler) this.resampler.process(channel, this.emit);
    else channel.forEach(this.emit);
    return true;
  }
}

registerProcessor("capture", Capture);
