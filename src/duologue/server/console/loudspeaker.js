// The loudspeaker: plays the agent's voice, stops at once, and tells how far the sound has come to the ear.

export const OUTPUT_RATE = 24000;

/** True where the browser can play to another device than the system's own. */
export const choosesOutput = "setSinkId" in AudioContext.prototype;

export async function openLoudspeaker({ device }) {
  const context = new AudioContext({ sampleRate: OUTPUT_RATE, latencyHint: "interactive" });
  await context.audioWorklet.addModule(new URL("playback-worklet.js", import.meta.url));
  let playback = null;
  let timer = 0;
  // The way to the ear changes when headphones come and go.
  const measure = () => {
    const seconds = Math.min(1, context.outputLatency || context.baseLatency || 0);
    playback.port.postMessage({ type: "delay", seconds });
  };
  const speaker = {
    /** Begins at position 0; calls `mark(position)` as it plays. */
    attach({ mark }) {
      this.detach();
      playback = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
      let marked = 0;
      playback.port.onmessage = ({ data: { position } }) => {
        if (position > marked) mark((marked = position));
      };
      timer = setInterval(measure, 1000);
      measure();
      playback.connect(context.destination);
    },
    /** Silence, at once and for good, until attached again. */
    detach() {
      clearInterval(timer);
      if (playback) playback.port.onmessage = null;
      playback?.disconnect();
      playback = null;
    },
    play({ generation, position, samples }) {
      const floats = Float32Array.from(samples, (sample) => sample / 32768);
      playback?.port.postMessage({ type: "frame", generation, position, samples: floats }, [floats.buffer]);
    },
    pause: () => playback?.port.postMessage({ type: "pause" }),
    resume: () => playback?.port.postMessage({ type: "resume" }),
    flush: (generation) => playback?.port.postMessage({ type: "flush", generation }),
    use: (other) => (choosesOutput ? context.setSinkId(other) : Promise.resolve()),
    close() {
      this.detach();
      context.close();
    },
  };
  try {
    if (device) await speaker.use(device);
  } catch {
    // That device is gone: the system's own will do, and the settings show what there is.
  }
  await context.resume();
  return speaker;
}
