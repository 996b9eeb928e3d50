// The transcript as a file: text to read, JSON to work with.

/** What was said, what was heard of it, and what was cut off, as text. */
export function asText(transcript, date = new Date()) {
  const lines = [`duologue, ${date.toLocaleString()}`, ""];
  for (const { kind, text, heard, latency } of transcript.entries.values()) {
    if (kind === "note") lines.push("", `--- ${text} ---`, "");
    else if (kind === "user") lines.push(`You:    ${text}`);
    else lines.push(`Agent:  ${cut(text, heard)}`);
    const total = latency && (latency.voice_to_voice_s ?? latency.processing_s);
    if (total) lines.push(`        (${Math.round(total * 1000)} ms)`);
  }
  return `${lines.join("\n")}\n`;
}

function cut(said, heard) {
  if (heard === undefined || heard === said) return said;
  const rest = said.startsWith(heard) ? said.slice(heard.length).trim() : said;
  return `${heard} [not heard: ${rest}]`.trim();
}

/** The same as an object, with the times of each turn and every decision. */
export function asObject(transcript, decisions, session, date = new Date()) {
  return {
    format: "duologue-transcript",
    version: 1,
    saved_at: date.toISOString(),
    session: session?.session ?? null,
    entries: [...transcript.entries.values()].map(({ kind, text, heard, latency }) => ({
      who: kind,
      text,
      ...(kind === "agent" && { heard: heard ?? null }),
      ...(latency && { latency }),
    })),
    decisions: decisions.kept,
  };
}

/** Has the browser save a file. */
export function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
