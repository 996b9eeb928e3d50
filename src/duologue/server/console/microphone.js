// The microphone: an open device, and the processor that makes frames of what it hears.

import { Context } from "./context.js";
import { Input } from "./input.js";

const FRAME = 320;
const NOTHING = 2 ** -16; // a peak below it is 0 in every sample that is sent
const FIRST_SOUND = 125; // frames of 20 ms without one sound, after which a microphone that was just opened is silent
const NEXT_SOUND = 300; // the same where it has sounded before, while the person may speak: some cut off all but speech

export class Microphone {
  /** `options` are {processing, preferred}. Calls `changed()` when `fault` or the device changes, and `moved` as Input. */
  constructor(options, { changed, moved }) {
    this.changed = changed;
    this.context = new Context("capture-worklet.js", {}, { changed, renewed: () => this.renew() });
    this.input = new Input(options, { changed, moved, replaced: () => this.connect() });
    this.source = this.capture = this.hears = null;
    this.position = 0; // of the next frame
    this.zeros = 0; // frames in a row without a sound
    this.sounded = this.silent = false;
    this.floor = true; // the person may speak: the agent does not
  }

  /** Asks for the microphone. Throws MicrophoneError. */
  async open() {
    try {
      const { input } = this;
      await input.open();
      await this.context.open();
      this.connect();
      if (input.preferred && input.device !== input.preferred) input.moved("gone", "", input.label);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** What keeps it from being heard: suspended, interrupted, closed, stuck, or what Input has, or silent; else null. */
  get fault() {
    return this.context.fault ?? this.input.fault ?? (this.silent ? "silent" : null);
  }

  get rate() {
    return this.context.audio?.sampleRate ?? null;
  }

  /** From now on calls `frame(buffer)` each 20 ms with a message for the stream, and `level(0 to 1)`; from position 0. */
  attach({ frame, level }) {
    this.detach();
    this.hears = { frame, level };
    this.position = 0;
    this.capturing();
  }

  capturing() {
    const { audio } = this.context;
    const processorOptions = { position: this.position };
    this.capture = new AudioWorkletNode(audio, "capture", { channelCount: 1, channelCountMode: "explicit", processorOptions });
    this.capture.port.onmessage = ({ data: { message, peak } }) => {
      this.position += FRAME;
      this.listened(peak);
      this.hears.frame(message);
      this.hears.level(peak);
    };
    this.capture.onprocessorerror = () => this.context.fail();
    this.source?.connect(this.capture);
    this.capture.connect(audio.destination); // silent, but what leads nowhere is not run
  }

  detach() {
    this.hears = null;
    if (!this.capture) return;
    this.source?.disconnect();
    this.capture.port.onmessage = this.capture.onprocessorerror = null;
    this.capture.disconnect();
    this.capture = null;
  }

  /** The device is another one, without a break for the one who listens. */
  connect() {
    const { audio } = this.context;
    const { stream } = this.input;
    this.sounded = false;
    this.listenAnew();
    if (!audio || !stream) return;
    this.source?.disconnect();
    this.source = audio.createMediaStreamSource(stream);
    if (this.capture) this.source.connect(this.capture);
  }

  /** The context is another one. */
  renew() {
    const { hears } = this;
    this.detach();
    this.hears = hears;
    this.source = null;
    this.connect();
    if (hears) this.capturing();
    this.changed();
  }

  listenAnew() {
    this.zeros = 0;
    this.hush(false);
  }

  /** Counts what a microphone sends that is switched off, or that the system keeps from this page: nothing but zeros. */
  listened(peak) {
    this.input.check();
    if (peak >= NOTHING) {
      this.zeros = 0;
      this.sounded = true;
    } else if (!this.input.muted && (this.floor || !this.sounded)) this.zeros += 1;
    this.hush(this.zeros >= (this.sounded ? NEXT_SOUND : FIRST_SOUND));
  }

  hush(silent) {
    if (silent === this.silent) return;
    this.silent = silent;
    this.changed();
  }

  use(id) {
    return this.input.use(id);
  }

  /** Sends silence in the place of what is heard. */
  mute(muted) {
    this.input.mute(muted);
    this.listenAnew();
    this.changed();
  }

  close() {
    this.detach();
    this.input.close();
    this.context.close();
  }
}
