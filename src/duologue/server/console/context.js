// An AudioContext that knows when it does not run: suspended by the browser, interrupted by the system, closed or stuck.

const CHECK_EVERY = 1000; // milliseconds
const STUCK_CHECKS = 2; // in which its time did not move though it claims to run
const OPENS_WITHIN = 1500; // milliseconds, after which it waits for a click

export class Context {
  /**
   * `worklet` is the file of its processor, `options` those of AudioContext. Calls `changed()` when `state` changes, and
   * `renewed()` when `audio` is another one, whose nodes have to be made again.
   */
  constructor(worklet, options, { changed, renewed }) {
    Object.assign(this, { worklet, options, changed, renewed });
    this.audio = null;
    this.state = "opening"; // or stuck, or as of AudioContext: running, suspended, interrupted, closed
    this.broken = this.renewing = this.ended = false;
    this.still = this.time = 0;
  }

  /** What keeps it from running, else null. */
  get fault() {
    return this.state === "running" || this.state === "opening" ? null : this.state;
  }

  /** Opens it. It may not run yet: a browser can wait for a click first. */
  async open() {
    const audio = new AudioContext(this.options);
    try {
      await audio.audioWorklet.addModule(new URL(this.worklet, import.meta.url));
    } catch {
      discard(audio);
      throw new Error("The server does not answer: check that it runs and that this device is online.");
    }
    if (this.ended) return discard(audio);
    this.audio = audio;
    this.state = "opening";
    this.broken = false;
    this.still = 0;
    audio.onstatechange = () => this.check();
    audio.onerror = () => this.fail();
    this.timer ??= setInterval(() => this.tick(), CHECK_EVERY);
    setTimeout(() => this.check({ late: true }), OPENS_WITHIN);
    this.resume();
  }

  /** Resumes it. Not awaited, because the promise may never settle: `state` tells. */
  resume() {
    this.audio.resume().then(
      () => this.check(),
      () => {},
    );
  }

  /** Takes it up again. Called in the event that shows the person to be back, which browsers may insist on. */
  wake() {
    if (!this.audio || this.state === "running") return;
    if (this.state === "closed" || this.state === "stuck") this.renew();
    else this.resume();
  }

  /** Opens another in its place. */
  async renew() {
    if (this.renewing || !this.audio) return;
    this.renewing = true;
    const old = this.audio;
    try {
      await this.open();
      if (!this.ended) this.renewed();
      discard(old);
    } catch {
      // The next sign of the person tries again.
    } finally {
      this.renewing = false;
    }
  }

  /** A processor or the device failed: nothing sounds any more, whatever the state says. */
  fail() {
    this.broken = true;
    this.check();
  }

  tick() {
    const { currentTime, state } = this.audio;
    this.still = state === "running" && currentTime === this.time ? this.still + 1 : 0;
    this.time = currentTime;
    this.check();
  }

  check({ late = false } = {}) {
    if (this.ended) return;
    const { state } = this.audio;
    const before = this.state;
    if (state === "running") this.state = this.broken || this.still >= STUCK_CHECKS ? "stuck" : state;
    else if (before !== "opening" || state !== "suspended" || late) this.state = state;
    if (this.state !== before) this.changed();
  }

  close() {
    this.ended = true;
    clearInterval(this.timer);
    if (this.audio) discard(this.audio);
  }
}

function discard(audio) {
  audio.onstatechange = audio.onerror = null;
  if (audio.state !== "closed") audio.close().catch(() => {});
}
