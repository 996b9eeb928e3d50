// The console: what the user does becomes a call, and what the call tells is shown.

import { Call } from "./call.js";
import { Decisions } from "./decisions.js";
import { Devices } from "./devices.js";
import { asObject, asText, download } from "./export.js";
import { listenToKeys, showShortcuts } from "./keys.js";
import { Meter } from "./meter.js";
import { MicrophoneError, mayListen } from "./microphone.js";
import { Notice } from "./notice.js";
import { Panels } from "./panels.js";
import { applyTheme, bindRadios, choose, setting } from "./settings.js";
import { TalkButton } from "./talk.js";
import { Transcript } from "./transcript.js";
import { milliseconds } from "./waterfall.js";

const MAX_LOG = 5000;
const MAX_LATENCIES = 1000;
const STATES = {
  initial: "Connected",
  listening: "Listening",
  processing: "Thinking",
  speaking: "Speaking",
  away: "Still there?",
  ended: "Ended",
};
const PHASES = { idle: "Not connected", connecting: "Connecting", live: "Connected", waiting: "Reconnecting" };
const CAUSES = {
  lost: ["The connection was lost", "The server does not answer, or the network has dropped."],
  shutdown: ["The server is gone", "It is shutting down or starting anew."],
  full: ["The server is busy", ""],
};

const options = new URLSearchParams(location.search);
const $ = (selector) => document.querySelector(selector);

/** For tests, and for the curious: what the page knows. */
const page = (window.duologue = {
  phase: "idle", // idle, connecting, live, waiting
  state: null, // the last `state`
  session: null, // the last `started`
  log: [], // messages of the server but for meters, the newest last
  meters: 0, // how many meters came
  marks: [], // positions that were reported
  audio: options.get("keep") === "1" ? [] : null, // frames that came, where they are kept
  microphoneRate: null,
  get notice() {
    return notice.shown;
  },
  get notices() {
    return notice.history;
  },
});

const transcript = new Transcript($("#transcript"));
const decisions = new Decisions($("#decisions"));
const meter = new Meter($("#instruments"));
const notice = new Notice($("#notice"));
const panels = new Panels(["decisions", "settings"]);
const talk = new TalkButton($("#talk"), { press: () => pressTalk(), hold: (down) => call?.hold(down) });
const devices = new Devices({ input: $("#input"), output: $("#output"), note: $("#devices-note") }, changeDevice);

let call = null;
let latencies = [];
let pending = ""; // what was typed before there was anyone to read it

async function begin({ microphone }) {
  if (call) return;
  transcript.clear();
  decisions.clear();
  latencies = [];
  $("#vitals").textContent = "";
  notice.hide();
  const mine = (call = new Call(
    {
      turns: setting("turns"),
      agent: options.get("agent"),
      processing: options.get("aec") !== "0",
      input: setting("input"),
      output: setting("output"),
    },
    {
      phase: (phase) => call === mine && setPhase(phase),
      message: receive,
      frame: (frame) => page.audio?.push(frame),
      marked: (position) => keep(page.marks, position),
      level: showLevel,
      lost: () => notice.show("The microphone is gone", "Choose another in the settings, or type."),
      waiting,
      over,
    },
  ));
  await attempt(mine, () => mine.begin({ microphone }), { microphone });
}

/** Does what may fail for want of sound, and says so. */
async function attempt(mine, act, { microphone }) {
  try {
    await act();
    page.microphoneRate = mine.microphone?.rate ?? null;
    show();
    devices.refresh();
  } catch (error) {
    if (call !== mine) return;
    const again = () => pressTalk();
    if (mine.done) {
      call = null;
      setPhase("idle");
    }
    const title = error instanceof MicrophoneError ? error.title : "The conversation could not begin";
    notice.show(title, error.message, { action: microphone ? { label: "Try again", run: again } : null });
  }
}

function pressTalk() {
  if (!call) return begin({ microphone: true });
  if (talk.button.dataset.does === "end") return call.end();
  const mine = call; // a conversation that was typed so far
  return attempt(mine, () => mine.listen(), { microphone: true });
}

function waiting({ cause, seconds, error }) {
  const [title, text] = CAUSES[cause];
  const said = error ? `${error.message} ${error.hint}`.trim() : text;
  notice.show(title, said, { action: { label: "Try now", run: () => call?.dial() }, seconds });
}

function over({ reason, close }) {
  call = null;
  if (reason === "client_end") notice.hide();
  setPhase("idle");
  document.body.dataset.state = "ended";
  $("#status").textContent = reason && reason !== "client_end" ? `Ended: ${reason.replaceAll("_", " ")}` : "Not connected";
  if (close && !reason) {
    notice.show("The connection was lost", "The server has not answered for a long time.", {
      action: { label: "Try again", run: () => begin({ microphone: true }) },
    });
  }
}

// What the server tells, by its type.
const handlers = {
  started(message) {
    page.session = message;
    $("#state-session").title = message.session;
    const again = call.sessions > 1;
    transcript.begin(again ? "Connected again. This is a new conversation: the agent does not remember the one before." : "");
    decisions.begin();
    notice.hide();
    sendPending();
  },
  state(message) {
    page.state = message;
    document.body.dataset.state = message.session;
    document.body.dataset.user = message.user;
    document.body.dataset.agent = message.agent;
    const words = message.agent === "paused" ? "Paused" : STATES[message.session];
    $("#status").textContent = message.user === "speaking" ? "Hearing you" : words;
  },
  "speech.started"({ turn }) {
    transcript.user(turn, "", { partial: true });
    meter.spoke();
  },
  "transcript.partial": ({ turn, text }) => transcript.user(turn, text, { partial: true }),
  "transcript.final": ({ turn, text }) => transcript.user(turn, text),
  "agent.text": ({ generation, text }) => transcript.clause(generation, text),
  "agent.heard": ({ generation, text, said }) => transcript.heard(generation, text, said),
  latency(message) {
    transcript.latency(message);
    if (message.voice_to_voice_s !== null) keep(latencies, message.voice_to_voice_s, MAX_LATENCIES);
    if (!latencies.length) return;
    const sorted = latencies.toSorted((a, b) => a - b);
    const turns = sorted.length === 1 ? "1 turn" : `${sorted.length} turns`;
    $("#vitals").textContent = `${milliseconds(sorted[sorted.length >> 1])} median of ${turns}`;
  },
  decision({ name, reason, fields }) {
    if (name === "turn_scored") meter.scored(fields.probability, fields.silence);
    if (name === "speech_ignored") transcript.user(fields.turn, "");
    if (name === "speculation_discarded") transcript.discard(fields.generation);
    if (name === "interrupted") transcript.cut(fields.generation, reason);
  },
  error(message) {
    if (message.fatal && message.retryable) return; // it is tried again, and that is told
    const title = message.fatal ? "The conversation ended" : "Something went wrong";
    notice.show(title, `${message.message} ${message.hint}`.trim());
  },
};

function receive(message) {
  if (message.type === "meter") {
    page.meters += 1;
    return meter.told(message);
  }
  keep(page.log, message);
  handlers[message.type]?.(message);
  decisions.take(message);
}

function sendPending() {
  if (!pending) return;
  call.send({ type: "text", text: pending });
  if ($("#text").value.trim() === pending) $("#text").value = "";
  pending = "";
}

function keep(list, item, most = MAX_LOG) {
  list.push(item);
  if (list.length > most) list.shift();
}

function setPhase(phase) {
  page.phase = document.body.dataset.phase = phase;
  if (phase === "live") meter.reset();
  $("#status").textContent = PHASES[phase];
  show();
}

/** What can be done now. */
function show() {
  const live = page.phase === "live";
  const holds = live && call.microphone && call.options.turns === "manual";
  const typed = live && !call.microphone;
  talk.show(holds ? "Hold to talk" : page.phase === "idle" || typed ? "Talk" : "End");
  $("#end").hidden = !holds && !typed;
  $("#turns").disabled = page.phase !== "idle";
  document.body.dataset.microphone = String(!!call?.microphone);
  document.body.dataset.turns = setting("turns");
}

function showLevel(peak) {
  meter.level(peak);
  // The root makes soft speech visible.
  document.documentElement.style.setProperty("--level", Math.min(1, Math.sqrt(peak)).toFixed(2));
}

async function changeDevice(name, id) {
  if (!call) return;
  call.options[name] = id;
  try {
    await (name === "input" ? call.microphone?.use(id) : call.speaker?.use(id));
  } catch (error) {
    notice.show(error.title ?? "That device cannot be used", error.message);
  }
}

function save(kind) {
  const stamp = new Date().toISOString().slice(0, 16).replaceAll(":", "-");
  if (kind === "text") return download(`duologue-${stamp}.txt`, "text/plain", asText(transcript));
  const object = asObject(transcript, decisions, page.session);
  return download(`duologue-${stamp}.json`, "application/json", `${JSON.stringify(object, null, 2)}\n`);
}

const shortcuts = [
  { key: "t", name: "T", label: "Talk, or end", run: () => (call ? call.end() : begin({ microphone: true })) },
  { key: " ", name: "Space", label: "Hold to talk", held: true, run: (down) => talk.holds && talk.set(down) },
  { key: "/", name: "/", label: "Type", run: () => $("#text").focus() },
  { key: "d", name: "D", label: "Decisions", run: () => panels.toggle("decisions") },
  { key: "s", name: "S", label: "Settings", run: () => panels.toggle("settings") },
  {
    key: "escape",
    name: "Esc",
    label: "Close, or silence the agent",
    wants: () => panels.open !== null,
    run: () => (panels.open ? panels.show(null) : call?.send({ type: "interrupt" })),
  },
];
listenToKeys(shortcuts);
document.querySelectorAll(".shortcuts").forEach((list) => showShortcuts(list, shortcuts));

bindRadios($("#theme"), "theme", (theme) => {
  applyTheme(theme);
  meter.draw();
});
bindRadios($("#turns"), "turns", show);
$("#shortcuts-on").checked = setting("shortcuts");
$("#shortcuts-on").onchange = (event) => choose("shortcuts", event.target.checked);
$("#end").onclick = () => call?.end();
$("#save-text").onclick = () => save("text");
$("#save-json").onclick = () => save("json");
$("#compose").onsubmit = async (event) => {
  event.preventDefault();
  const text = $("#text").value.trim();
  if (!text) return;
  pending = text;
  if (page.phase === "live") sendPending();
  else if (!call) await begin({ microphone: false });
};
window.addEventListener("online", () => page.phase === "waiting" && call.dial());
window.addEventListener("pagehide", () => call?.release());

if (!mayListen()) {
  notice.show(
    "This page may not use the microphone",
    "Browsers allow it over HTTPS or on localhost only. Open the page there, or type.",
  );
}
new ResizeObserver(([{ target }]) => {
  target.style.setProperty("--bar", `${(target.offsetWidth - target.clientWidth) / 2}px`);
}).observe($("main"));
devices.refresh();
show();
