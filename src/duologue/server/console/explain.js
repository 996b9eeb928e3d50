// Every decision of the server in plain words: its kind, a title, and why.

const percent = (p) => p.toFixed(2);
const ms = (seconds) => `${Math.round(seconds * 1000)} ms`;
const plain = (name) => name.replaceAll("_", " ");

// Why the words sound finished or not, by the reason that the server gives.
const WORDS = {
  address: "The words end an address",
  address_open: "An address has begun and is not complete",
  closing: "The words close the turn, as “please” and “thank you” do",
  comma: "The words stop at a comma",
  conjunction: "The words end with “and”, “or” or the like",
  contraction: "The last word leans on one that has not come",
  copula: "The last word is “is” or the like, and something must follow",
  dash: "The words break off",
  degree: "The last word is “very” or the like, and something must follow",
  determiner: "The last word is “the”, “my” or the like, and something must follow",
  digits: "A number is being dictated",
  digits_complete: "A number is complete",
  ellipsis: "The words trail off",
  elliptical: "“I can” or the like stands last: it may be all, or not",
  filler: "The words end with “um” or the like",
  half_question: "A question has begun",
  hold: "You asked for a moment",
  kept: "The words close a thought",
  leaning: "The last word often leans on a next one",
  no_words: "No words were made out",
  opening: "The words open a sentence",
  phrase: "The words are a short phrase",
  preposition: "The last word is a preposition",
  pronoun: "The last word is a pronoun, and a verb must follow",
  question: "The words ask a question",
  reopened: "The words were answered before, and the turn was opened again",
  restart: "You started again",
  sentence: "The words end a sentence",
  short_answer: "The words are a short answer",
  spelling: "Something is being spelled",
  stranded: "A preposition stands last, as it may in a question",
  subordinate: "“If …” or the like waits for its main clause",
  title: "A title waits for its name",
  unmarked: "The words end without a mark",
  verb: "The last word is a verb that takes an object",
};

const DECIDED = {
  words: "The words were sure enough",
  sound: "Words and sound together were sure enough",
  timeout: "It had been silent for so long that doubt no longer counted",
  manual: "You let go of the button",
  text: "You typed it",
  max_turn: "The turn had become as long as a turn may be",
  reopened: "Nothing followed after all",
};

const CUT = {
  duration: "You spoke over it, and your words did not come in time",
  words: "What you said over it was a turn of its own",
  manual: "You pressed the button to talk",
  text: "You typed",
  request: "You asked for silence",
  went_on: "You went on before it had sounded",
  end: "The conversation ended",
};

const NOTHING = {
  silence: "silence followed and no words came",
  too_short: "the sound was too short",
  no_words: "there were no words in it",
  not_understood: "it was audible, and its words could not be made out",
  backchannel: "it only said that you listen",
};

const DROPPED = {
  went_on: "You went on speaking",
  words_changed: "The words turned out to be others",
  no_turn: "It was no turn after all",
};

const failed = (table, reason) => table[reason] ?? `something failed: ${plain(reason)}`;

const DECISIONS = {
  turn_scored: ({ fields: f, reason }) => [
    "turn",
    `End of turn scored ${percent(f.probability)}`,
    `${WORDS[reason] ?? plain(reason)} (${percent(f.words)})${f.sound === null ? "" : `, the sound says ${percent(f.sound)}`}, after ${ms(f.silence)} of silence.`,
  ],
  budget_exceeded: ({ fields: f, reason }) => [
    "trouble",
    "The latency budget is exceeded",
    `${plain(reason)} took ${ms(f.took)} of the ${ms(f.budget)} that it may take.`,
  ],
  turn_continued: ({ reason }) => [
    "turn",
    "The turn is open again",
    reason === "text" ? "You typed before the answer sounded." : "You went on before the answer sounded.",
  ],
  speech_ignored: ({ reason }) => ["turn", "No turn", `What you said counts for nothing: ${failed(NOTHING, reason)}.`],
  speculation_started: ({ fields: f }) => [
    "speculation",
    "An answer is prepared",
    `Before the turn is decided, for “${f.text}”`,
  ],
  speculation_discarded: ({ reason }) => ["speculation", "The prepared answer is dropped", `${failed(DROPPED, reason)}.`],
  interrupted: ({ reason }) => ["floor", "The agent is interrupted", `${CUT[reason] ?? plain(reason)}.`],
  false_interruption: ({ reason }) => ["floor", "A false interruption", `The agent keeps the floor: ${failed(NOTHING, reason)}.`],
  yield_measured: ({ reason, fields: f }) => [
    "floor",
    "Nothing of the agent sounds any more",
    `${ms(f.silenced)} after it was decided${reason === "pause" ? "; the rest is kept" : ""}.`,
  ],
  backchannel: ({ fields: f }) => ["floor", "You are listening", `“${f.text}” only says so, and the agent goes on.`],
  tool_called: ({ fields: f }) => [
    "speculation",
    `The agent called ${f.name}`,
    `${OUTCOMES[f.outcome] ?? plain(f.outcome)} ${ms(f.finished - f.started)}.`,
  ],
  say_ended: ({ reason, fields: f }) => [
    "floor",
    f.interrupted ? "A line was not said to its end" : "A line was said",
    `“${f.text}”${f.interrupted ? `: ${SAID[reason] ?? `something failed: ${plain(reason)}`}` : ""}.`,
  ],
  utterance_cut: () => ["turn", "A long turn is cut", "It is understood in parts, and the words are joined."],
  audio_gap: ({ reason, fields: f }) => [
    "trouble",
    "Sound is missing",
    `${ms((f.end - f.start) / 16000)} were ${reason}; they count as silence.`,
  ],
  evidence_late: ({ fields: f }) => ["trouble", "Evidence was late", `The ${f.kind} came ${ms(f.late)} after they were due.`],
};

const AGENT = {
  ducked: () => ["floor", "The agent speaks softly", "You may be starting to speak."],
  paused: () => ["floor", "The agent pauses", "You speak; what you say decides whether it goes on."],
  speaking: (before, { reason }) =>
    before === "paused" || before === "ducked"
      ? ["floor", before === "paused" ? "The agent resumes" : "The agent is loud again", `${sentence(failed(NOTHING, reason))}.`]
      : null,
};

const SAID = {
  interrupted: "it was interrupted",
  request: "the application gave it up",
  end: "the conversation ended first",
  empty: "it has nothing that can be spoken",
};

const OUTCOMES = { done: "It took", failed: "It failed after", stopped: "It was stopped after" };

const MESSAGES = {
  "speech.started": ({ turn, reason }) => ["turn", `You speak, turn ${turn}`, reason === "manual" ? "You hold the button." : "The detector hears speech."],
  "speech.stopped": ({ reason }) => ["turn", "You fall silent", reason === "manual" ? "You let go of the button." : "The words are asked for."],
  "transcript.final": ({ turn, reason, probability, silence_s }) => [
    "turn",
    `Turn ${turn} is decided`,
    `${DECIDED[reason] ?? plain(reason)}${["words", "sound", "timeout"].includes(reason) ? `: ${percent(probability)} after ${ms(silence_s)} of silence` : ""}.`,
  ],
  latency: ({ processing_s, speculation }) => [
    "speculation",
    speculation === "hit" ? "The prepared answer is used" : "The answer sounds",
    `${ms(processing_s)} after the decision.`,
  ],
  error: ({ message, hint }) => ["trouble", "Something failed", `${message} ${hint}`.trim()],
};

/** What a message decides, as [kind, title, why]; null where it decides nothing. `before` is the `state` before it. */
export function explain(message, before) {
  if (message.type === "decision") {
    const known = DECISIONS[message.name];
    return known ? known(message) : ["turn", plain(message.name), plain(message.reason)];
  }
  if (message.type === "state") {
    if (message.user === "away" && before?.user !== "away") return ["turn", "You seem to be away", "Nobody has spoken for a while."];
    return message.agent === before?.agent ? null : (AGENT[message.agent]?.(before?.agent, message) ?? null);
  }
  return MESSAGES[message.type]?.(message) ?? null;
}

function sentence(text) {
  return text[0].toUpperCase() + text.slice(1);
}
