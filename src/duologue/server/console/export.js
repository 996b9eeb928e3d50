// The transcript as a file: text to read, JSON to work with.

/** Has the browser save the transcript as `text` or as `json`. */
export function save(kind, transcript, decisions, session) {
  const stamp = new Date().toISOString().slice(0, 16).replaceAll(":", "-");
  if (kind === "text") return download(`duologue-${stamp}.txt`, "text/plain", asText(transcript));
  const object = asObject(transcript, decisions, session);
  return download(`duologue-${stamp}.json`, "application/json", `${JSON.stringify(object, null, 2)}\n`);
}

/** What was said, what was heard of it, and what was cut off, as text. */
function asText(transcript, date = new Date()) {
  const lines = [`duologue, ${date.toLocaleString()}`, ""];
  const entries = [...transcript.entries.values()];
  const width = 3 + Math.max(3, ...entries.map(({ who }) => who?.length ?? 0));
  for (const { kind, who, text, heard, latency } of entries) {
    if (kind === "note") lines.push("", `--- ${text} ---`, "");
    else lines.push(`${who}:`.padEnd(width) + (kind === "user" ? text : cut(text ?? "", heard)));
    const total = latency && (latency.voice_to_voice_s ?? latency.processing_s);
    if (total) lines.push(`${" ".repeat(width)}(${Math.round(total * 1000)} ms)`);
  }
  return `${lines.join("\n")}\n`;
}

function cut(said, heard) {
  if (heard === undefined || heard === said) return said;
  const rest = said.startsWith(heard) ? said.slice(heard.length).trim() : said;
  return `${heard} [not heard: ${rest}]`.trim();
}

/** The same as an object, with the times of each turn and every decision. */
function asObject(transcript, decisions, session, date = new Date()) {
  return {
    format: "duologue-transcript",
    version: 1,
    saved_at: date.toISOString(),
    session: session?.session ?? null,
    entries: [...transcript.entries.values()].map(({ kind, who, text, heard, latency, tools }) => ({
      who: kind,
      ...(kind === "agent" && { name: who }),
      text,
      ...(kind === "agent" && { heard: heard ?? null }),
      ...(latency && { latency }),
      ...(tools?.length && { tools }),
    })),
    decisions: decisions.kept,
  };
}

function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
