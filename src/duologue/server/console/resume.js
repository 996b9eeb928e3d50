// What is needed to go on with a session over another connection: its token, and what was sent recently.

const HEADER_BYTES = 12;
const KEPT_FRAMES = 250; // five seconds of sound; the oldest are dropped
const KEPT_MESSAGES = 64;
const LONGEST_WAIT = 2; // seconds between two attempts; the first comes at once
const FINAL = [1000, 1001, 1002, 1007, 1008, 1009]; // closed like this, the server does not keep the session
const SLOW = "slow_client"; // the reason of a 1008 after which it does

export class ResumeState {
  constructor() {
    this.forget();
  }

  /** No session: nothing is kept, until another one has started. */
  forget() {
    this.token = null; // takes the session up again; valid once
    this.keptFor = 0; // seconds for which the server keeps the session
    this.lostAt = null; // when the connection broke, until there is another one
    this.wait = 0; // seconds before the next attempt
    this.messages = this.output = this.generation = 0; // what came: messages, the next sample, the newest generation
    this.told = 0; // messages that were sent
    this.sent = []; // {number, message} and {end, frame} in their order
  }

  get isLost() {
    return this.lostAt !== null;
  }

  /** What came of `started` or `reconnected`: the session has a connection. */
  take({ resume_token, resume_s }) {
    this.token = resume_token ?? null;
    this.keptFor = resume_s ?? 0;
    this.lostAt = null;
    this.wait = 0;
  }

  /** Whether the server keeps the session for this page, when its connection was closed like this. */
  mayGoOn({ code, reason }) {
    if (!this.token || (this.isLost && performance.now() - this.lostAt > this.keptFor * 1000)) return false;
    return !FINAL.includes(code) || reason === SLOW;
  }

  /** The words of a closing handshake that are meant for a person. */
  said(reason) {
    return reason === this.token || reason === SLOW ? "" : reason;
  }

  /** There is no connection. Gives the seconds to wait before the next attempt. */
  lost() {
    this.lostAt ??= performance.now();
    const seconds = this.wait * (0.5 + Math.random() / 2);
    this.wait = Math.min(LONGEST_WAIT, this.wait * 2 || 0.1);
    return seconds;
  }

  /** A message came. */
  came({ type, generation }) {
    if (type !== "meter" && type !== "reconnected") this.messages += 1;
    this.generation = Math.max(this.generation, generation ?? 0);
  }

  /** A frame came. */
  played({ position, generation, samples }) {
    this.output = position + samples.length;
    this.generation = Math.max(this.generation, generation);
  }

  /** Keeps a message that is sent, or will be. */
  tell(message) {
    this.keep("number", { number: ++this.told, message }, KEPT_MESSAGES);
  }

  /** Keeps a frame that is sent, or will be. */
  sound(frame) {
    const position = Number(new DataView(frame).getBigUint64(0, true));
    this.keep("end", { end: position + (frame.byteLength - HEADER_BYTES) / 2, frame }, KEPT_FRAMES);
  }

  keep(kind, sent, most) {
    this.sent.push(sent);
    const alike = this.sent.filter((other) => kind in other);
    if (alike.length > most) this.sent.splice(this.sent.indexOf(alike[0]), 1);
  }

  /** The server has all sound before this position. */
  acknowledge(position) {
    this.sent = this.sent.filter(({ end }) => !(end <= position));
  }

  /** The first message of the next connection; `input` is the position of the frame that is sent next. */
  hello(input) {
    const { token, output, generation, messages } = this;
    return { type: "reconnect", version: 1, token, output, generation, messages, input };
  }

  /** What the server lacks after `reconnected`, in the order in which it was sent. */
  missing({ messages, input }) {
    this.sent = this.sent.filter(({ number, end }) => number > messages || end > input);
    // Those that are not kept any more will never be counted by the server.
    this.told = messages;
    for (const sent of this.sent) if (sent.message) sent.number = ++this.told;
    return [...this.sent];
  }
}
