// A conversation from the first click to its end: the sound of both sides, and a connection that is made again when it
// is lost. Each connection is a new session to the server.

import { OUTPUT_RATE, openLoudspeaker } from "./loudspeaker.js";
import { openMicrophone } from "./microphone.js";
import { Patience } from "./patience.js";
import { Stream } from "./stream.js";

const METER_S = 0.1;
const RELEASE_FRAMES = 5; // 100 ms that still belong to the turn when the button is let go

/**
 * Calls `phase(name)` with connecting, live, waiting or idle; `message(object)`, `frame(frame)`, `marked(position)` and
 * `level(0 to 1)` as they come; `waiting({cause, seconds})` before it tries again; `over({reason, close})` at the end.
 */
export class Call {
  constructor(options, on) {
    this.options = options; // {turns, agent, processing, input, output}
    this.on = on;
    this.patience = new Patience();
    this.microphone = this.speaker = this.stream = null;
    this.sessions = 0;
    this.open = this.holding = this.done = false;
    this.tail = 0; // frames that still go out after the button was let go
  }

  /** Opens the sound and the first connection; throws what keeps the sound from being opened. */
  async begin({ microphone }) {
    this.on.phase("connecting");
    try {
      if (microphone) await this.listen();
      const speaker = await openLoudspeaker({ device: this.options.output });
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
    const { processing, input } = this.options;
    const microphone = await openMicrophone({ processing, device: input, lost: () => this.on.lost() });
    if (this.done) return microphone.close();
    this.microphone = microphone;
    if (this.open) this.attach();
  }

  dial() {
    clearTimeout(this.timer);
    this.stream?.drop();
    this.ended = this.fatal = null;
    this.on.phase("connecting");
    const url = new URL("v1/stream", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = url.hash = "";
    const { agent, turns } = this.options;
    const start = { audio_out: { rate: OUTPUT_RATE }, marks: true, meter_s: METER_S, agent, turns };
    this.stream = new Stream(url, start, {
      message: (message) => this.receive(message),
      frame: (frame) => {
        this.on.frame(frame);
        this.speaker.play(frame);
      },
      closed: (close) => this.closed(close),
    });
  }

  attach() {
    this.microphone?.attach({ frame: (frame) => this.hear(frame), level: (peak) => this.on.level(peak) });
  }

  /** With the button to talk, sound leaves this page only while it is held. */
  hear(frame) {
    if (this.options.turns === "auto" || this.holding) this.stream.sendFrame(frame);
    else if (this.tail) {
      this.stream.sendFrame(frame);
      if (!--this.tail) this.send({ type: "turn.end" });
    }
  }

  hold(down) {
    if (!this.open || !this.microphone || this.options.turns !== "manual" || down === this.holding) return;
    this.holding = down;
    if (!down) this.tail = RELEASE_FRAMES;
    else if (this.tail) this.tail = 0; // pressed again in time: it is one turn
    else this.send({ type: "turn.begin" });
  }

  send(message) {
    this.stream?.send(message);
  }

  receive(message) {
    switch (message.type) {
      case "started":
        this.open = true;
        this.sessions += 1;
        this.patience.rest();
        this.speaker.attach({ mark: (position) => this.mark(position) });
        this.attach();
        this.on.phase("live");
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
        this.ended = message.reason;
        break;
    }
    this.on.message(message);
  }

  mark(position) {
    this.on.marked(position);
    this.send({ type: "mark", position });
  }

  closed(close) {
    if (this.done) return;
    this.quiet();
    const asked = this.fatal?.retryable ? (this.fatal.retry_after_s ?? 2) : null;
    const gone = this.ended === "shutdown" || (!this.ended && !this.fatal);
    const cause = asked !== null ? "full" : gone ? (this.ended ? "shutdown" : "lost") : null;
    const seconds = cause && this.patience.next(asked);
    if (!seconds) return this.finish({ reason: this.ended, close });
    this.on.phase("waiting");
    this.on.waiting({ cause, seconds, error: this.fatal });
    this.timer = setTimeout(() => this.dial(), seconds * 1000);
  }

  /** No session: nothing is sent or played. */
  quiet() {
    this.open = this.holding = false;
    this.tail = 0;
    this.microphone?.detach();
    this.speaker?.detach();
    this.on.level(0);
  }

  end() {
    if (this.open) this.stream.end();
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
    this.stream?.drop();
    this.microphone?.close();
    this.speaker?.close();
  }
}
