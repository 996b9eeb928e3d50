// The operations page: asks the server what it does every two seconds while the page is seen, and shows it.

import { bar, chart, count, element, figures, legend, show, table, time } from "./ops_draw.js";

const EVERY = 2000; // milliseconds
const $ = (id) => document.getElementById(id);
const base = new URL(".", document.baseURI);
const CAPABILITIES = { stt: "speech to text", tts: "text to speech", model: "language model" };
const REFUSED = {
  sessions: "as many calls as the server may hold",
  tick_lag: "the event loop was late",
  lateness: "answers were late",
  backlog: "too much work waited for the models",
  memory: "memory was short",
  threads: "a thread that runs models died, and was replaced",
  connections: "as many connections as the server may hold",
  loading: "the models were being loaded",
  shutdown: "the server was ending",
  application: "the application's code failed",
};
const FAULTS = {
  errors: "Errors told to clients",
  agents_failed: "Agents that could not be made",
  hooks_failed: "Hooks that failed",
  response_faults: "Answers that broke the protocol of responders",
  recognition_faults: "Recognition streams that broke their protocol",
  vad_faults: "Calls that ended because the detector of speech gave no probability",
  loop_stalls: "Times that code blocked the event loop",
  jobs_refused: "Pieces of work that models had no room for",
  jobs_failed: "Pieces of work that models failed at",
};
let before = null; // the answer before this one: rates are differences
let timer = 0;
let token = ""; // kept for this page alone: storage would outlive it

async function ask(path) {
  const headers = { Accept: "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(new URL(path, base), { headers, cache: "no-store" });
  const body = await answer.json();
  $("login").hidden = answer.status !== 401 && answer.status !== 403;
  if (!answer.ok) throw new Error(`${body.message} ${body.hint ?? ""}`);
  return body;
}

function perSecond(now, name) {
  if (!before || now.at <= before.at) return null;
  return Math.max(0, (now.sum[name] ?? 0) - (before.sum[name] ?? 0)) / (now.at - before.at);
}

function overview(now) {
  const { sum, turns } = now;
  const starts = perSecond(now, "calls_started");
  figures($("figures"), [
    ["Live calls", count(sum.sessions)],
    ["Calls a minute", starts === null ? "–" : (60 * starts).toFixed(starts < 0.2 ? 1 : 0), "Calls that began lately"],
    ["Median latency", time(turns.p50_s), `Of the turns of the last ${turns.minutes} minutes`],
    ["95th percentile", time(turns.p95_s), `Of the latency of the turns of the last ${turns.minutes} minutes`],
    ["Turns", count(turns.turns), `Answered in the last ${turns.minutes} minutes`],
    ["Refused calls", count(sum.refused), "Since the server began"],
    ["Gaps in speech", time(0.02 * (sum.starved_frames ?? 0)), "Silence where the agent's speech should have been, since the server began"],
    ["Model backlog", time(sum.backlog_s), "Work that waits for the models of this machine"],
    ["Event loop delay", time(sum.worst_tick_lag_s), "How late the server is to process audio: a recent average, of the worst process"],
    ["Memory", `${count(sum.memory_bytes / 1e6)} MB`],
    ["Running for", time(sum.up_s)],
  ]);
  chart($("latency"), turns.history, now.at);
  calls(now.calls);
  slowest(turns.slowest, new Set(now.calls.map(({ id }) => id)));
  providers(now.breakers);
  usage($("usage"), now.usage);
  models(now);
  refusals(sum);
  processes(now.workers);
  const ready = sum.ready === now.workers.length ? "ready" : sum.ready ? "partly ready" : "takes no calls";
  const text = `${now.workers.length === 1 ? "1 process" : `${now.workers.length} processes`}, ${ready}`;
  if ($("status").textContent !== text) $("status").textContent = text;
  document.body.dataset.health = sum.ready === now.workers.length ? "good" : "bad";
}

function calls(rows) {
  table(
    $("calls"),
    ["Call", "Agent", "Age", "Turns", "Last latency", "Slowest", "Interruptions", "Errors"],
    rows.map((call) => [
      link(call.id), call.agent, time(call.age_s), count(call.turns),
      time(call.last_s), time(call.slowest_s), count(call.interruptions), count(call.errors),
    ]),
    "Nobody is calling.",
  );
}

function slowest(turns, live) {
  const scale = Math.max(0.001, ...turns.map((turn) => turn.voice_to_voice_s));
  table(
    $("slowest"),
    ["Latency", "Its parts", "Call", "Turn", "When"],
    turns.map((turn) => [
      time(turn.voice_to_voice_s), bar(turn.parts, scale), live.has(turn.session) ? link(turn.session) : turn.session ?? "", count(turn.turn),
      new Date(1000 * turn.at).toLocaleTimeString(),
    ]),
    "No turn was answered in this time.",
  );
}

function link(id) {
  return element("a", { text: id, href: `#call=${id}` });
}

function providers(breakers) {
  table(
    $("providers"),
    ["Provider", "Used for", "Host", "Circuit breaker", "Calls", "Failures", "Calls held back", "Last error"],
    breakers.map((row) => [
      row.provider, CAPABILITIES[row.capability] ?? row.capability, row.region,
      element("span", { className: `state ${row.state}`, text: row.state.replace("_", "-") }),
      count(row.calls), count(row.failures), count(row.refused), row.last_error,
    ]),
    "No provider is called through a circuit breaker: models of this machine need none.",
  );
}

function usage(into, rows) {
  table(
    into,
    ["Provider", "Used for", "Requests", "Audio", "Characters", "Tokens read", "Tokens written", "Cost"],
    rows.map((row) => [
      row.provider, row.operation.replaceAll("_", " "), count(row.requests), time(row.audio_s), count(row.characters),
      count(row.input_tokens), count(row.output_tokens), dollars(row.cost_usd),
    ]),
    "No provider was used yet.",
  );
}

function dollars(cost) {
  return cost === null ? "no price" : `$${cost.toFixed(4)}`;
}

function models(now) {
  const names = Object.keys(now.sum).filter((name) => name.startsWith("runs_")).map((name) => name.slice(5));
  table(
    $("models"),
    ["Model", "Items", "Runs (a batch each)", "CPU time", "CPU an item", "Share of a core"],
    names.map((name) => {
      const [runs, items, cpu] = ["runs_", "items_", "cpu_s_"].map((kind) => now.sum[kind + name] ?? 0);
      const share = perSecond(now, `cpu_s_${name}`);
      const each = items ? time(cpu / items) : "–";
      return [name, count(items), count(runs), time(cpu), each, share === null ? "–" : `${(100 * share).toFixed(0)}%`];
    }),
    "No model has run yet.",
  );
}

function refusals(sum) {
  const counted = (start, label, words = {}) =>
    Object.keys(sum).filter((name) => name.startsWith(start) && sum[name]).map((name) => {
      const reason = name.slice(start.length);
      return [`${label}: ${words[reason] ?? reason.replaceAll("_", " ")}`, count(sum[name])];
    });
  const faults = Object.entries(FAULTS).filter(([name]) => sum[name]).map(([name, label]) => [label, count(sum[name])]);
  const rows = [...counted("refused_", "Refused", REFUSED), ...counted("ended_", "Ended"), ...faults];
  table($("refusals"), ["What, since the server began", "Count"], rows, "Nothing was refused, no call has ended, and nothing has failed.");
}

function processes(workers) {
  table(
    $("workers"),
    ["Process", "State", "Calls", "Connections", "Memory", "asyncio tasks", "Late ticks", "Running for"],
    workers.map((worker) => [
      String(worker.pid), worker.ready ? "ready" : "takes no calls", count(worker.sessions), count(worker.connections),
      `${count(worker.memory_bytes / 1e6)} MB`, count(worker.tasks), count(worker.late_ticks), time(worker.up_s),
    ]),
    "",
  );
}

function call(page) {
  $("call-title").textContent = `Call ${page.id}`;
  figures($("call-figures"), [
    ["Agent", page.agent],
    ["Age", time(page.age_s)],
    ["Turns", count(page.turns)],
    ["Last latency", time(page.last_s)],
    ["Interruptions", count(page.interruptions)],
    ["Errors", count(page.errors)],
    ["Cost", dollars(page.cost_usd)],
  ]);
  usage($("call-usage"), page.usage_of_call);
  $("call-note").textContent = page.words_are_shown ? page.greeting && `Greeting: ${page.greeting}` : "Words are not shown: the server runs without --log-words.";
  const scale = Math.max(0.001, ...page.turns_of_call.map((turn) => turn.latency.voice_to_voice_s ?? 0));
  show($("call-turns"), ...page.turns_of_call.map((turn) => {
    const made = element("li", {}, element("p", { className: "latency" }, time(turn.latency.voice_to_voice_s), bar(turn.latency.parts, scale)));
    if (turn.user.text) made.append(element("p", { className: "user", text: turn.user.text }));
    if (turn.agent.heard_text) made.append(element("p", { className: "agent", text: turn.agent.heard_text + (turn.interrupted ? " …" : "") }));
    return made;
  }));
}

async function refresh() {
  clearTimeout(timer);
  const id = new URLSearchParams(location.hash.slice(1)).get("call");
  try {
    if (id) {
      call(await ask(`ops/calls/${encodeURIComponent(id)}`));
      $("status").textContent = "Live";
      document.body.dataset.health = "good";
    } else {
      const now = await ask("ops");
      overview(now);
      before = now;
    }
    $("overview").hidden = Boolean(id);
    $("call").hidden = !id;
  } catch (error) {
    $("status").textContent = error instanceof TypeError ? "The server does not answer" : error.message;
    document.body.dataset.health = "bad";
  }
  if (!document.hidden) timer = setTimeout(refresh, EVERY);
}

function enter() {
  token = $("token").value.trim();
  refresh();
}

$("enter").addEventListener("click", enter);
$("token").addEventListener("keydown", ({ key }) => key === "Enter" && enter());
legend($("parts"));
legend($("call-parts"));
addEventListener("hashchange", refresh);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
refresh();
