// The microphone, and what to tell a person when there is none.

export class MicrophoneError extends Error {
  constructor(title, text) {
    super(text);
    this.title = title;
  }
}

const FAULTS = {
  NotAllowedError: ["The microphone is blocked", "Allow it for this page in the browser’s address bar, then try again. Or type."],
  NotFoundError: ["There is no microphone", "Connect one and try again, or type."],
  OverconstrainedError: ["That microphone is gone", "Choose another in the settings, or type."],
  NotReadableError: ["The microphone does not answer", "Another program may be using it. Close that and try again."],
};

/** True where the browser lets this page ask for a microphone at all. */
export function mayListen() {
  return window.isSecureContext && !!navigator.mediaDevices;
}

/** Asks for the microphone. Calls `lost()` when the device goes away. Throws MicrophoneError. */
export async function openMicrophone({ processing, device, lost }) {
  if (!mayListen()) {
    throw new MicrophoneError(
      "This page may not use the microphone",
      "Browsers allow it over HTTPS or on localhost only. Open the page there, or type.",
    );
  }
  let media = await listen(device, processing);
  const stop = () => media.getTracks().forEach((track) => track.stop());
  const watch = () => media.getTracks().forEach((track) => (track.onended = lost));
  watch();
  try {
    const context = new AudioContext();
    await context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url));
    let source = context.createMediaStreamSource(media);
    let capture = null;
    await context.resume();
    return {
      rate: context.sampleRate,
      /** From now on calls `frame(buffer)` each 20 ms with a message for the stream, and `level(0 to 1)`; from position 0. */
      attach({ frame, level }) {
        this.detach();
        capture = new AudioWorkletNode(context, "capture", { channelCount: 1, channelCountMode: "explicit" });
        capture.port.onmessage = ({ data }) => {
          frame(data.message);
          level(data.peak);
        };
        source.connect(capture).connect(context.destination); // silent, but what leads nowhere is not run
      },
      detach() {
        if (!capture) return;
        source.disconnect();
        capture.port.onmessage = null;
        capture.disconnect();
        capture = null;
      },
      /** Goes on with another device, without a break for the one who listens. */
      async use(other) {
        const next = await listen(other, processing);
        stop();
        source.disconnect();
        media = next;
        watch();
        source = context.createMediaStreamSource(media);
        if (capture) source.connect(capture);
      },
      close() {
        this.detach();
        stop();
        context.close();
      },
    };
  } catch (error) {
    stop();
    throw error;
  }
}

async function listen(device, processing) {
  const audio = { echoCancellation: processing, noiseSuppression: processing, autoGainControl: processing };
  if (device) audio.deviceId = { exact: device };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new MicrophoneError(...(FAULTS[error.name] ?? ["The microphone cannot be opened", error.message]));
  }
}
