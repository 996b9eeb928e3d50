// One conversation with the server: messages as JSON text, sound as frames with a header of 12 bytes.

const HEADER_BYTES = 12;
const MAX_BUFFERED = 64000; // two seconds of sound that the network has not taken

/**
 * Opens the stream and starts a session. Calls `message(object)`, `frame({position, generation, samples})` with 16-bit
 * samples, and at last `closed({code, reason})`, once.
 */
export class Stream {
  constructor(url, start, { message, frame, closed }) {
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.send({ type: "start", version: 1, ...start });
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? message(JSON.parse(data)) : frame(unpack(data)));
    this.socket.onclose = ({ code, reason }) => closed({ code, reason });
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
    setTimeout(() => this.socket.close(), this.socket.readyState === WebSocket.OPEN ? 2000 : 0);
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
