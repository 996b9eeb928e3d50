// The words at the top of the page: what the conversation does. They say “Listening” only while it does.

const PHASES = { idle: "Not connected", connecting: "Connecting", waiting: "Reconnecting" };
const STATES = {
  initial: "Connected",
  listening: "Listening",
  processing: "Thinking",
  speaking: "Speaking",
  away: "Still there?",
  ended: "Ended",
};
const NO_AUDIO = ["suspended", "interrupted", "closed", "stuck"];

/**
 * {words, wrong}, where `wrong` is true while the page does not do what the person expects. `state` is the last message
 * of that type, `call` the Call; both null before there is one.
 */
export function statusOf(phase, state, call) {
  if (phase !== "live") return { words: PHASES[phase], wrong: false };
  const { isAway, troubles } = call;
  if (isAway) return { words: PHASES.waiting, wrong: true };
  if (troubles.includes("quiet")) return { words: "No answer", wrong: true };
  if (troubles.some((name) => NO_AUDIO.includes(name))) return { words: "No audio", wrong: true };
  if (!state) return { words: STATES.initial, wrong: false };
  if (state.agent === "paused") return { words: "Paused", wrong: false };
  const waits = state.session === "listening" || state.session === "away";
  const deaf = deafness(call);
  if (waits && deaf) return deaf;
  return { words: state.user === "speaking" && !deaf ? "Hearing you" : STATES[state.session], wrong: false };
}

/** Why the page does not listen; null where it does. */
function deafness({ microphone, muted, options, holding, troubles }) {
  if (microphone && troubles.length) return { words: "Not listening", wrong: true };
  if (microphone && muted) return { words: "Muted", wrong: true };
  if (!microphone || (options.turns === "manual" && !holding)) return { words: "Ready", wrong: false };
  return null;
}
