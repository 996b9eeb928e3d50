// A conversation from the first click to its end: the sound of both sides, and a connection that is made again when it
// is lost. It goes on with the session if the server has kept it, and begins a new one otherwise.

import { ticket } from "./access.js";
import { Loudspeaker, OUTPUT_RATE } from "./loudspeaker.js";
import { Microphone } from "./microphone.js";
import { Backoff } from "./backoff.js";
import { askWhy } from "./ready.js";
import { ResumeState } from "./resume.js";
import { Stream } from "./stream.js";

const METER_S = 0.1;
const RELEASE_FRAMES = 5; // 100 ms that still belong to the turn when the button is let go
const MAX_REFUSALS = 2; // one can be chance, as where the server starts anew
const ATTEMPT = 5000; // milliseconds for one attempt to go on with a session
const TELL_AFTER = 1000; // a longer loss is reported

/**
 * Calls `phase(name)` with connecting, live, waiting or idle; `message(object)`, `frame(frame)`, `marked(position)` and
 * `level(0 to 1)` as they come; `changed()` when `troubles` or what is in use has changed; `moved(kind, why, before,
 * label)` when another microphone (`input`) or loudspeaker (`output`) is in use, as Input and Loudspeaker have it;
 * `waiting({cause, seconds, error, status, said})` before it tries again; `resumed({seconds, restored})` when the session
 * goes on that was lost so long ago; `over({reason, close, cause})` at the end.
 */
export class Call {
  constructor(options, on) {
    this.options = options; // {turns, agent, processing, input, output}
    this.on = on;
    this.backoff = new Backoff();
    this.kept = new ResumeState();
    this.microphone = this.speaker = this.stream = null;
    this.sessions = this.resumes = this.refusals = this.pings = 0;
    this.open = this.holding = this.muted = this.done = false;
    this.tail = 0; // frames that still go out after the button was let go
  }

  /** Opens the sound and the first connection; throws what keeps the sound from being opened. */
  async begin({ microphone }) {
    this.on.phase("connecting");
    const { changed, moved } = this.on;
    try {
      if (microphone) await this.listen();
      const on = { changed, moved: (...how) => moved("output", ...how) };
      const speaker = new Loudspeaker({ preferred: this.options.output }, on);
      await speaker.open();
      if (this.done) speaker.close();
      else this.speaker = speaker;
    } catch (error) {
      this.release();
      throw error;
    }
    if (!this.done) this.dial();
  }

  /** Opens the microphone, at the beginning or in a conversation that was typed so far. */
  async listen() {
    const { changed, moved } = this.on;
    const on = { changed, moved: (...how) => moved("input", ...how) };
    const microphone = new Microphone({ processing: this.options.processing, preferred: this.options.input }, on);
    await microphone.open();
    if (this.done || this.microphone) return microphone.close();
    this.microphone = microphone;
    if (this.open) this.attach();
  }

  /** The session has no connection for now. */
  get isAway() {
    return this.kept.isLost;
  }

  /** What is wrong with the line and the sound, the worst first: quiet, or a fault of Context, Input or Microphone. */
  get troubles() {
    const found = [this.open && !this.isAway && this.stream.isQuiet && "quiet", this.microphone?.fault, this.speaker?.fault];
    return [...new Set(found.filter(Boolean))];
  }

  /** The person is back, or does something: sound that was suspended is taken up. */
  wake() {
    this.microphone?.context.wake();
    this.speaker?.context.wake();
  }

  /** Devices, permissions or the network have changed, or the page is seen again. */
  look() {
    this.wake();
    this.stream?.probe();
    return Promise.all([this.microphone?.input.follow(), this.speaker?.follow()]);
  }

  /** Goes on with this microphone (`input`) or loudspeaker (`output`). Throws where that cannot be used. */
  async use(name, id) {
    await (name === "input" ? this.microphone : this.speaker)?.use(id);
    this.options[name] = id;
  }

  /** Silence goes out in the place of what the microphone hears. */
  mute(muted) {
    this.muted = muted;
    this.microphone?.mute(muted);
  }

  /** Goes on with the session that was lost, or begins one. */
  async dial() {
    clearTimeout(this.timer);
    const before = this.stream;
    this.stream = null;
    before?.drop();
    this.ended = this.fatal = null;
    const dialed = (this.dialed = {});
    if (this.isAway) {
      this.connect({ reconnect: 1 }, this.kept.hello(this.microphone?.position ?? 0));
      this.timer = setTimeout(() => this.stream?.drop(), ATTEMPT);
      return;
    }
    this.kept.forget();
    this.on.phase("connecting");
    const pass = await ticket();
    if (this.done || this.dialed !== dialed) return; // ended, or dialed again meanwhile
    const { agent, turns } = this.options;
    const audio_out = { rate: OUTPUT_RATE };
    const start = { type: "start", version: 1, audio_out, marks: true, meter_s: METER_S, agent, turns, resumable: true };
    this.connect(pass ? { ticket: pass } : {}, start);
  }

  connect(query, hello) {
    const stream = (this.stream = new Stream(query, hello, {
      message: (message) => this.receive(message),
      frame: (frame) => {
        this.kept.played(frame);
        this.on.frame(frame);
        this.speaker.play(frame);
      },
      ping: () => this.isAway || this.send({ type: "ping", id: ++this.pings }),
      quiet: () => this.on.changed(),
      closed: (close) => stream === this.stream && this.closed(close),
    }));
  }

  attach() {
    this.microphone?.attach({ frame: (frame) => this.hear(frame), level: (peak) => this.on.level(peak) });
  }

  /** With the button to talk, sound leaves this page only while it is held. */
  hear(frame) {
    if (this.options.turns === "auto" || this.holding) this.sound(frame);
    else if (this.tail) {
      this.sound(frame);
      if (!--this.tail) this.send({ type: "turn.end" });
    }
  }

  sound(frame) {
    this.kept.sound(frame);
    if (!this.isAway) this.stream.sendFrame(frame);
  }

  hold(down) {
    if (!this.open || !this.microphone || this.options.turns !== "manual" || down === this.holding) return;
    this.holding = down;
    if (!down) this.tail = RELEASE_FRAMES;
    else if (this.tail) this.tail = 0; // pressed again in time: it is one turn
    else this.send({ type: "turn.begin" });
    this.on.changed();
  }

  /** Sends a message, or keeps it until the session has a connection again. */
  send(message) {
    if (this.isAway || this.stream?.send(message)) this.kept.tell(message);
  }

  receive(message) {
    if (!this.isAway) this.kept.came(message);
    else if (message.type !== "reconnected") return; // a refusal: how the connection is closed tells the rest
    switch (message.type) {
      case "started":
        this.open = true;
        this.kept.take(message);
        this.sessions += 1;
        this.refusals = 0;
        this.backoff.rest();
        this.speaker.attach({ mark: (position) => this.mark(position) });
        this.attach();
        this.on.phase("live");
        break;
      case "reconnected":
        this.goOn(message);
        break;
      case "ack":
        this.kept.acknowledge(message.position);
        break;
      case "state":
        if (this.microphone) this.microphone.floor = !["processing", "speaking"].includes(message.session);
        break;
      case "pause":
        this.speaker.pause();
        break;
      case "resume":
        this.speaker.resume();
        break;
      case "interrupted":
        this.speaker.flush(message.generation);
        break;
      case "error":
        if (message.fatal) this.fatal = message;
        break;
      case "ended":
        this.ended ??= message.reason;
        break;
    }
    this.on.message(message);
  }

  mark(position) {
    this.on.marked(position);
    this.send({ type: "mark", position });
  }

  /** The session has another connection: what the server lacks is sent again. */
  goOn(message) {
    const seconds = (performance.now() - this.kept.lostAt) / 1000;
    clearTimeout(this.timer);
    clearTimeout(this.telling);
    this.resumes += 1;
    this.kept.take(message);
    // Another process does not know that this page has paused.
    if (message.restored && this.speaker.paused) this.speaker.flush(this.kept.generation);
    this.stream.sendAgain(this.kept.missing(message));
    this.on.resumed({ seconds, restored: message.restored });
    this.on.changed();
  }

  /** The server keeps the session: tries to go on with it, at once at first. */
  again({ reason }) {
    const why = { cause: "kept", said: this.kept.said(reason) };
    const first = !this.isAway;
    const seconds = this.kept.lost();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.dial(), seconds * 1000);
    if (first) {
      this.isTold = false;
      this.telling = setTimeout(() => {
        this.isTold = true;
        this.on.waiting({ ...why, seconds: null });
      }, TELL_AFTER);
    } else if (this.isTold) this.on.waiting({ ...why, seconds });
    this.on.changed();
  }

  async closed(close) {
    if (this.done) return;
    if (this.open && !this.ended && !this.fatal && this.kept.mayGoOn(close)) return this.again(close);
    const { isAway } = this;
    this.quiet();
    if (isAway) return this.dial(); // the session is over, so that another one begins
    const { stream } = this;
    this.on.phase("waiting");
    const why = await this.why(close);
    if (this.done || this.stream !== stream) return; // ended or dialed meanwhile
    const seconds = why.cause && this.backoff.next(why.asked);
    if (!seconds) return this.finish({ reason: this.ended ?? this.fatal?.code, close, cause: why.final });
    this.on.waiting({ ...why, seconds });
    this.timer = setTimeout(() => this.dial(), seconds * 1000);
  }

  /** Why the connection is gone, in the form of `waiting`. Without a `cause` it is not tried again. */
  async why({ opened, reason }) {
    if (this.ended === "client_end") return {};
    if (this.fatal) {
      const asked = this.fatal.retry_after_s ?? 2;
      return this.fatal.retryable ? { cause: "full", asked, error: this.fatal } : {};
    }
    if (this.ended) return this.ended === "shutdown" ? { cause: "shutdown" } : {};
    if (opened) return { cause: "lost", said: reason };
    const { cause, error, status } = await askWhy();
    if (cause === "token") return { final: "token" };
    if (cause === "refused") return ++this.refusals < MAX_REFUSALS ? { cause: "lost" } : { final: "refused" };
    return { cause, error, status, asked: Number(error?.retry_after_s) || null };
  }

  /** No session: nothing is sent or played. */
  quiet() {
    this.open = this.holding = false;
    this.tail = 0;
    clearTimeout(this.telling);
    this.kept.forget();
    this.microphone?.detach();
    this.speaker?.detach();
    this.on.level(0);
  }

  end() {
    this.ended ??= "client_end"; // also where no answer comes any more
    if (this.open && !this.isAway) this.stream.end();
    else this.finish({ reason: "client_end", close: null });
  }

  finish(how) {
    this.release();
    this.on.phase("idle");
    this.on.over(how);
  }

  release() {
    this.done = true;
    clearTimeout(this.timer);
    this.quiet();
    this.stream?.drop({ meant: true });
    this.microphone?.close();
    this.speaker?.close();
  }
}
