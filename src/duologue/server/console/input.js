// Which microphone is open, what is wrong with it, and which takes its place when it goes.

const MAX_TRIES = 5; // to find another one, in TRIES_WITHIN
const TRIES_WITHIN = 10_000; // milliseconds
const PERMISSION_EVERY = 1_000; // milliseconds from one look at the permission to the next, while it is not given

export class MicrophoneError extends Error {
  constructor(kind, title, text) {
    super(text);
    this.kind = kind; // blocked, missing, busy, insecure
    this.title = title;
  }
}

export const INSECURE = [
  "This page may not use the microphone",
  "Browsers allow it over HTTPS or on localhost only: open the page there, or type.",
];
const NO_PERMISSION = [
  "blocked",
  "The microphone is blocked",
  "Allow it for this page in the browser’s address bar, then try again, or type.",
];
const BY_SYSTEM = "Allow it for the browser in the system’s privacy settings, then try again, or type.";
const FAULTS = {
  NotAllowedError: NO_PERMISSION,
  SecurityError: NO_PERMISSION,
  NotFoundError: ["missing", "There is no microphone", "Connect one and try again, or type."],
  OverconstrainedError: ["missing", "That microphone is gone", "Choose another in the settings, or type."],
  NotReadableError: ["busy", "The microphone does not answer", "Close the program that may be using it and try again, or type."],
};

/** True where the browser lets this page ask for a microphone at all. */
export function mayListen() {
  return window.isSecureContext && !!navigator.mediaDevices;
}

/** The devices of one kind, `audioinput` or `audiooutput`. Before the microphone is allowed their ids are empty. */
export async function devices(kind) {
  if (!mayListen()) return [];
  const found = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  return found.filter((device) => device.kind === kind);
}

/** `granted`, `denied` or `prompt`; empty where the browser does not say. */
async function permission() {
  const found = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
  return found?.state ?? "";
}

export class Input {
  /**
   * Calls `changed()` when `fault`, `device` or `label` has changed, `replaced(stream)` when another track is open, and
   * `moved(why, before, label)` when it is another microphone: `gone`, `back` or `default`.
   */
  constructor({ processing, preferred }, { changed, replaced, moved }) {
    Object.assign(this, { processing, preferred, changed, replaced, moved });
    this.device = null; // in use: an id, "" for the system's default, null for none
    this.label = "";
    this.missing = null; // why there is none: the kind of MicrophoneError
    this.off = false; // the system or the device itself has muted it
    this.muted = false; // the person has
    this.stream = null;
    this.origin = ""; // what the system's default was
    this.closed = this.recovering = this.following = false;
    this.changes = 0; // that were seen
    this.tries = [];
    this.turn = Promise.resolve();
    this.watching = null; // the timer that looks at the permission
  }

  /** What keeps it from being heard: blocked, missing, busy, off; else null. */
  get fault() {
    return this.missing ?? (this.off ? "off" : null);
  }

  /** Opens the preferred one, or the system's own where that is not there. Throws MicrophoneError. */
  async open() {
    if (this.preferred && (await this.mayHave(this.preferred))) {
      try {
        return await this.take(this.preferred);
      } catch (error) {
        if (error.kind === "blocked") throw error;
      }
    }
    await this.take("");
  }

  /** Opens this one, which is preferred from now on. Throws MicrophoneError, and keeps the one before. */
  async use(id) {
    await this.take(id);
    this.preferred = id;
  }

  async mayHave(id) {
    const found = await devices("audioinput");
    return found.some(({ deviceId }) => deviceId === id || !deviceId);
  }

  /** Opens one, after what is being opened. */
  take(id) {
    const taken = this.turn.then(() => this.replace(id));
    this.turn = taken.catch(() => {});
    return taken;
  }

  async replace(id) {
    if (this.closed) return;
    const stream = await this.ask(id);
    const [track] = stream.getAudioTracks();
    const origin = await systemDefault();
    if (this.closed) return track.stop();
    this.release();
    track.enabled = !this.muted;
    track.onended = () => this.lost();
    track.onmute = track.onunmute = ({ type }) => {
      this.off = type === "mute";
      this.changed();
    };
    Object.assign(this, { stream, origin, device: id, label: track.label, off: track.muted, missing: null });
    this.replaced(stream);
    this.changed();
  }

  async ask(id) {
    if (!mayListen()) throw new MicrophoneError("insecure", ...INSECURE);
    const { processing } = this;
    const audio = { echoCancellation: processing, noiseSuppression: processing, autoGainControl: processing };
    if (id) audio.deviceId = { exact: id };
    try {
      return await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      const [kind, title, text] = FAULTS[error.name] ?? ["busy", "The microphone cannot be opened", error.message];
      throw new MicrophoneError(kind, title, kind === "blocked" && /system/i.test(error.message) ? BY_SYSTEM : text);
    }
  }

  /** The track has ended: the device was unplugged, or the permission withdrawn. */
  lost() {
    if (this.closed || this.device === null) return;
    this.release();
    this.device = null;
    this.missing = "missing";
    this.changed();
    this.recover();
  }

  /** Looks for a microphone if there is none, and again where something changed while it looked. */
  async recover() {
    if (this.closed || this.device !== null || this.recovering) return;
    this.recovering = true;
    const before = this.label;
    let seen;
    do {
      seen = this.changes;
      try {
        // One that is found may go before it is used.
        while (!this.closed && this.device === null && this.mayTry()) await this.open();
        if (this.device !== null) this.moved(this.label === before ? "back" : "gone", before, this.label);
      } catch (error) {
        if (error.kind === "blocked") await this.watch();
        this.missing = error.kind ?? "busy";
        this.changed();
      }
    } while (this.device === null && seen !== this.changes);
    this.recovering = false;
  }

  /** Takes the microphone up once it is allowed: not every browser tells of that, and not every time. */
  async watch() {
    clearInterval(this.watching);
    let before = await permission();
    this.watching = setInterval(async () => {
      if (this.closed || this.device !== null) return clearInterval(this.watching);
      const now = await permission();
      if (now === "granted" && before !== now) {
        this.tries = [];
        this.follow();
      }
      before = now;
    }, PERMISSION_EVERY);
  }

  mayTry() {
    const now = performance.now();
    this.tries = this.tries.filter((at) => now - at < TRIES_WITHIN);
    return this.tries.length < MAX_TRIES && this.tries.push(now);
  }

  /** Something was plugged in or out, or the system's default is another. */
  async follow() {
    this.changes += 1;
    if (this.following) return;
    this.following = true;
    try {
      for (let seen = 0; seen !== this.changes; ) {
        seen = this.changes;
        await this.adapt();
      }
    } finally {
      this.following = false;
    }
  }

  async adapt() {
    if (this.closed || this.recovering) return;
    if (this.device === null) return this.recover();
    const found = await devices("audioinput");
    const has = (id) => found.some(({ deviceId }) => deviceId === id);
    if (this.device && !has(this.device) && found.some(({ deviceId }) => deviceId)) return this.lost();
    const back = this.preferred && this.device !== this.preferred && has(this.preferred);
    if (!back && (this.device || (await systemDefault()) === this.origin)) return;
    const before = this.label;
    try {
      await this.take(back ? this.preferred : "");
      if (this.device !== null) this.moved(back ? "back" : "default", before, this.label);
    } catch {
      // The one before goes on.
    }
  }

  /** Its track ended without an event, as some browsers have it. */
  check() {
    if (this.stream?.getAudioTracks()[0].readyState === "ended") this.lost();
  }

  mute(muted) {
    this.muted = muted;
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  release() {
    for (const track of this.stream?.getAudioTracks() ?? []) {
      track.onended = track.onmute = track.onunmute = null;
      track.stop();
    }
    this.stream = null;
  }

  close() {
    this.closed = true;
    this.release();
  }
}

/** Tells the system's default microphone from another. */
async function systemDefault() {
  const found = await devices("audioinput");
  const first = found.find(({ deviceId }) => deviceId === "default") ?? found[0];
  return first ? `${first.groupId} ${first.label}` : "";
}
