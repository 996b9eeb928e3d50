// One connection to the server: messages as JSON text, sound as frames with a header of 12 bytes.

const HEADER_BYTES = 12;
const NORMAL = 1000; // the code after which the server does not keep the session
const MAX_BUFFERED = 64000; // two seconds of sound that the network has not taken
const BEAT_EVERY = 1000; // milliseconds
const PING_AFTER = 1000;
const QUIET_AFTER = 3000; // a notice says so
const PROBED_FOR = 1000; // the same after a sign that the network has gone
const SILENT_FOR = 8000; // a network that has dropped says nothing, so silence this long is its end
const SLEPT = 5000; // between two beats: this page was not run meanwhile, which says nothing of the network

/**
 * Opens the stream, with `query` in its address, and says `hello`, its first message. Calls `message(object)`,
 * `frame({position, generation, samples})` with 16-bit samples, `ping()` when one is to be sent, `quiet(true or false)`
 * when nothing comes and when something does again, and at last `closed({code, reason, opened})`, once.
 */
export class Stream {
  constructor(query, hello, { message, frame, ping, quiet, closed }) {
    const url = new URL("v1/stream", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = new URLSearchParams(query);
    url.hash = "";
    this.socket = new WebSocket(url);
    this.closed = closed;
    this.ping = ping;
    this.quiet = quiet;
    this.isQuiet = this.opened = false;
    this.extra = 0; // bytes that may wait beyond MAX_BUFFERED, because they were sent again at once
    this.heard = this.beaten = performance.now();
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.opened = true;
      this.send(hello);
    };
    this.socket.onmessage = ({ data }) => {
      this.heard = performance.now();
      if (this.isQuiet) this.tell(false);
      if (typeof data === "string") message(JSON.parse(data));
      else frame(unpack(data));
    };
    this.socket.onclose = ({ code, reason }) => this.over({ code, reason });
    this.heart = setInterval(() => this.beat(), BEAT_EVERY);
  }

  beat() {
    const now = performance.now();
    if (now - this.beaten > SLEPT) this.heard = Math.max(this.heard, now - PING_AFTER - 1);
    this.beaten = now;
    const silent = now - this.heard;
    if (silent > SILENT_FOR) return this.drop();
    if (silent > PING_AFTER) this.ping();
    if (silent > QUIET_AFTER && !this.isQuiet) this.tell(true);
  }

  /** Asks whether the server is there, at once. */
  probe() {
    if (!this.opened) return;
    const asked = performance.now();
    this.ping();
    setTimeout(() => this.closed && this.heard < asked && !this.isQuiet && this.tell(true), PROBED_FOR);
  }

  tell(quiet) {
    this.isQuiet = quiet;
    this.quiet(quiet);
  }

  /** Returns whether it could be sent. */
  send(message) {
    const isOpen = this.socket.readyState === WebSocket.OPEN;
    if (isOpen) this.socket.send(JSON.stringify(message));
    return isOpen;
  }

  /** Sends a frame with its header. What the network cannot take is left out: the next position tells of the gap. */
  sendFrame(frame) {
    const { readyState, bufferedAmount } = this.socket;
    this.extra = Math.min(this.extra, bufferedAmount);
    if (readyState === WebSocket.OPEN && bufferedAmount < MAX_BUFFERED + this.extra) this.socket.send(frame);
  }

  /** Sends messages and frames of ResumeState again, all of them at once. */
  sendAgain(missing) {
    for (const { message, frame } of missing) {
      if (message) this.send(message);
      else this.socket.send(frame);
    }
    this.extra = this.socket.bufferedAmount;
  }

  /** Asks for the end, and closes where the server does not. */
  end() {
    this.send({ type: "end" });
    setTimeout(() => this.drop({ meant: true }), this.socket.readyState === WebSocket.OPEN ? 2000 : 0);
  }

  /** Gives the connection up, without waiting for the other side. The session ends with it if that is `meant`. */
  drop({ meant = false } = {}) {
    if (meant) this.socket.close(NORMAL);
    else this.socket.close();
    this.over({ code: 1006, reason: "" });
  }

  over(close) {
    clearInterval(this.heart);
    this.socket.onmessage = this.socket.onclose = null;
    this.closed?.({ ...close, opened: this.opened });
    this.closed = null;
  }
}

function unpack(buffer) {
  const header = new DataView(buffer);
  return {
    position: Number(header.getBigUint64(0, true)),
    generation: header.getUint32(8, true),
    samples: new Int16Array(buffer, HEADER_BYTES),
  };
}
