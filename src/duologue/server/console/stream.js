// One connection to the server: messages as JSON text, sound as frames with a header of 12 bytes.

const HEADER_BYTES = 12;
const MAX_BUFFERED = 64000; // two seconds of sound that the network has not taken
const PING_EVERY = 2000; // milliseconds
const SILENT_FOR = 8000; // a network that has dropped says nothing, so silence this long is its end

/**
 * Opens the stream and starts a session. Calls `message(object)`, `frame({position, generation, samples})` with 16-bit
 * samples, and at last `closed({code, reason})`, once.
 */
export class Stream {
  constructor(url, start, { message, frame, closed }) {
    this.socket = new WebSocket(url);
    this.closed = closed;
    this.pings = 0;
    this.heard = performance.now();
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.send({ type: "start", version: 1, ...start });
    this.socket.onmessage = ({ data }) => {
      this.heard = performance.now();
      if (typeof data === "string") message(JSON.parse(data));
      else frame(unpack(data));
    };
    this.socket.onclose = ({ code, reason }) => this.over({ code, reason });
    this.heart = setInterval(() => this.beat(), PING_EVERY);
  }

  beat() {
    const silent = performance.now() - this.heard;
    if (silent > SILENT_FOR) this.drop();
    else if (silent > PING_EVERY / 2) this.send({ type: "ping", id: ++this.pings });
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** Sends a frame with its header. What the network cannot take is left out: the next position tells of the gap. */
  sendFrame(frame) {
    if (this.socket.readyState === WebSocket.OPEN && this.socket.bufferedAmount < MAX_BUFFERED) this.socket.send(frame);
  }

  /** Asks for the end, and closes where the server does not. */
  end() {
    this.send({ type: "end" });
    setTimeout(() => this.drop(), this.socket.readyState === WebSocket.OPEN ? 2000 : 0);
  }

  /** Gives the connection up, without waiting for the other side. */
  drop() {
    this.socket.close();
    this.over({ code: 1006, reason: "" });
  }

  over(close) {
    clearInterval(this.heart);
    this.socket.onmessage = this.socket.onclose = null;
    this.closed?.(close);
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
