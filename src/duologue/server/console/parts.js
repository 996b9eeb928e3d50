// The parts of a turn's latency in order: what each is called, and what passes in it.

export const PARTS = {
  speech_end: { label: "Speech end", meaning: "until the silence is long enough to report the end of speech" },
  transcript: { label: "Transcript", meaning: "until the transcript of the turn is there" },
  end_of_turn: { label: "End of turn", meaning: "silence that is waited for, because the user may go on" },
  input_lag: { label: "Input lag", meaning: "audio that was spoken, and not processed when the turn was decided" },
  agent: { label: "Agent", meaning: "until the agent gives the first text" },
  clause: { label: "First clause", meaning: "until the first clause of the text is complete" },
  voice: { label: "Voice", meaning: "until the voice gives the first audio" },
  playout: { label: "Playout", meaning: "until the first audible sample is sent" },
};

/** What a part is called; one that is not known, by its name. */
export function labelOf(name) {
  return PARTS[name]?.label ?? name.replaceAll("_", " ");
}
