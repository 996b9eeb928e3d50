// The two ends of the sound: the microphone and the loudspeaker, each with its worklet.

export const OUTPUT_RATE = 24000;

/** What to tell a person whose microphone cannot be used. */
export class MicrophoneError extends Error {
  constructor(title, text) {
    super(text);
    this.title = title;
  }
}

const FAULTS = {
  NotAllowedError: ["The microphone is blocked", "Allow it for this page in the browser’s address bar, then try again."],
  NotFoundError: ["There is no microphone", "Connect one and try again, or type."],
  NotReadableError: ["The microphone does not answer", "Another program may be using it. Close that and try again."],
};

/** The microphone, opened: from `start()` on it calls `frame(buffer)` each 20 ms with a message for the stream, and `level(0 to 1)`. */
export async function openMicrophone({ processing, frame, level }) {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    throw new MicrophoneError(
      "This page may not use the microphone",
      "Browsers allow it over HTTPS or on localhost only. Open the page there, or type.",
    );
  }
  let media;
  try {
    media = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: processing, noiseSuppression: processing, autoGainControl: processing },
    });
  } catch (error) {
    throw new MicrophoneError(...(FAULTS[error.name] ?? ["The microphone cannot be opened", error.message]));
  }
  const stop = () => media.getTracks().forEach((track) => track.stop());
  try {
    const context = new AudioContext();
    await context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url));
    const capture = new AudioWorkletNode(context, "capture", { channelCount: 1, channelCountMode: "explicit" });
    capture.port.onmessage = ({ data }) => {
      frame(data.message);
      level(data.peak);
    };
    const source = context.createMediaStreamSource(media);
    capture.connect(context.destination); // silent, as it writes nothing; but what leads nowhere is not run
    await context.resume();
    return {
      rate: context.sampleRate,
      start: () => source.connect(capture),
      close() {
        stop();
        context.close();
      },
    };
  } catch (error) {
    stop();
    throw error;
  }
}

/** The loudspeaker, opened: calls `mark(position)` with how far the sound has come to the ear. */
export async function openLoudspeaker({ mark }) {
  const context = new AudioContext({ sampleRate: OUTPUT_RATE, latencyHint: "interactive" });
  await context.audioWorklet.addModule(new URL("playback-worklet.js", import.meta.url));
  const playback = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
  const speaker = {
    sounding: false,
    play({ generation, position, samples }) {
      const floats = Float32Array.from(samples, (sample) => sample / 32768);
      playback.port.postMessage({ type: "frame", generation, position, samples: floats }, [floats.buffer]);
    },
    pause: () => playback.port.postMessage({ type: "pause" }),
    resume: () => playback.port.postMessage({ type: "resume" }),
    flush: (generation) => playback.port.postMessage({ type: "flush", generation }),
    close() {
      clearInterval(timer);
      context.close();
    },
  };
  let marked = 0;
  playback.port.onmessage = ({ data: { position, sounding } }) => {
    speaker.sounding = sounding;
    if (position > marked) mark((marked = position));
  };
  // The way to the ear changes when headphones come and go.
  const measure = () => {
    const seconds = Math.min(1, context.outputLatency || context.baseLatency || 0);
    playback.port.postMessage({ type: "delay", seconds });
  };
  const timer = setInterval(measure, 1000);
  measure();
  playback.connect(context.destination);
  await context.resume();
  return speaker;
}
