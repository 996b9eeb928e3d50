// The console: what the user does becomes a call, and what the call tells is shown.

import { keep as keepToken, token } from "./access.js";
import { AudioPanel } from "./audio.js";
import { Call } from "./call.js";
import { Decisions } from "./decisions.js";
import { save } from "./export.js";
import { INSECURE, mayListen } from "./input.js";
import { listenToKeys, showShortcuts } from "./keys.js";
import { Meter } from "./meter.js";
import { Notice } from "./notice.js";
import { Panels } from "./panels.js";
import { applyTheme, bindRadios, choose, setting } from "./settings.js";
import { statusOf } from "./status.js";
import { TalkButton } from "./talk.js";
import { Transcript } from "./transcript.js";
import { givenUp, waitingFor, wentOn } from "./trouble.js";
import { Vitals } from "./vitals.js";
import { whenBack } from "./wake.js";

const MAX_LOG = 5000;

const options = new URLSearchParams(location.search);
const $ = (selector) => document.querySelector(selector);

/** For tests, and for the curious: what the page knows. */
const page = (window.duologue = {
  phase: "idle", // idle, connecting, live, waiting
  state: null, // the last `state`
  session: null, // the last `started`
  resumes: 0, // how often a session went on over another connection
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

let call = null;
let levelOff = ""; // what is shown in the place of the microphone's level
let ending = ""; // why the last conversation ended
let pending = ""; // what was typed before there was anyone to read it

const transcript = new Transcript($("#transcript"));
const decisions = new Decisions($("#decisions"));
const vitals = new Vitals($("#vitals"));
const meter = new Meter($("#instruments"));
const notice = new Notice($("#notice"));
const panels = new Panels(["decisions", "settings"]);
const talk = new TalkButton($("#talk"), { press: () => pressTalk(), hold: (down) => call?.hold(down) });
const audio = new AudioPanel({ input: $("#input"), output: $("#output"), note: $("#devices-note") }, notice, () => call);

async function begin({ microphone }) {
  if (call) return;
  transcript.clear();
  decisions.clear();
  vitals.clear();
  notice.clear();
  page.state = null;
  ending = "";
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
      changed: () => call === mine && show(),
      moved: (...how) => call === mine && audio.moved(...how),
      message: receive,
      frame: (frame) => page.audio?.push(frame),
      marked: (position) => keep(page.marks, position),
      level: showLevel,
      resumed: ({ seconds, restored }) => {
        page.resumes += 1;
        transcript.divide(wentOn(seconds, restored));
        notice.hide("line");
      },
      waiting: (why) => notice.show("line", ...waitingFor(why), { seconds: why.seconds, action: tryNow }),
      over,
    },
  ));
  await attempt(mine, () => mine.begin({ microphone }), { microphone });
}

/** Runs an action that fails without audio, and reports that. */
async function attempt(mine, act, { microphone }) {
  try {
    await act();
    page.microphoneRate = mine.microphone?.rate ?? null;
    for (const kind of ["blocked", "missing", "busy"]) if (!mine.troubles.includes(kind)) notice.hide(kind);
    show();
  } catch (error) {
    if (call !== mine) return;
    if (mine.done) {
      call = null;
      setPhase("idle");
    }
    const title = error.title ?? "The conversation could not begin";
    const run = () => (call ? pressTalk() : begin({ microphone }));
    notice.show(error.kind ?? "line", title, error.message, { action: { label: "Try again", run } });
  }
}

function pressTalk() {
  if (!call) return begin({ microphone: true });
  if (talk.button.dataset.does === "end") return call.end();
  const mine = call; // a conversation that was typed so far
  return attempt(mine, () => mine.listen(), { microphone: true });
}

const tryNow = { label: "Try now", run: () => call?.dial() };
const enterToken = { label: "Enter it", run: () => (panels.show("settings"), $("#token").focus()) };
const startAgain = { label: "Start again", run: () => begin({ microphone: true }) };

function over({ reason, close, cause }) {
  call = null;
  document.body.dataset.state = "ended";
  $("#recorded").hidden = true;
  if (reason === "client_end") notice.clear();
  else if (reason && reason !== "left") ending = `Ended: ${reason.replaceAll("_", " ")}`;
  notice.hide("line");
  audio.over();
  if (reason === "left") {
    notice.show("line", "The conversation ended", "You left the page: start another one.", { action: startAgain });
  } else if (close && !reason) notice.show("line", ...givenUp(cause), { action: cause === "token" ? enterToken : startAgain });
  setPhase("idle");
}

// What the server sends, by its type.
const handlers = {
  started(message) {
    page.session = message;
    $("#state-session").title = message.session;
    $("#recorded").hidden = !message.recorded;
    $("#state-name").textContent = transcript.agent = message.agent_name || "Agent";
    const again = call.sessions > 1;
    transcript.begin(again ? "Connected again. This is a new conversation: the agent does not remember the one before." : "");
    decisions.begin();
    notice.hide("line");
    notice.hide("error");
    sendPending();
  },
  reconnected({ recorded }) {
    $("#recorded").hidden = !recorded;
  },
  state(message) {
    page.state = message;
    document.body.dataset.state = message.session;
    document.body.dataset.user = message.user;
    document.body.dataset.agent = message.agent;
    showStatus();
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
    vitals.add(message);
  },
  decision({ name, reason, fields }) {
    if (name === "turn_scored") meter.scored(fields.probability, fields.silence);
    if (name === "speech_ignored") transcript.user(fields.turn, "");
    if (name === "speculation_discarded") transcript.discard(fields.generation);
    if (name === "interrupted") transcript.cut(fields.generation, reason);
    if (name === "tool_called") transcript.tool(fields);
  },
  error(message) {
    if (message.fatal && message.retryable) return; // it is tried again, and that is shown
    const title = message.fatal ? "The conversation ended" : "Something went wrong";
    notice.show("error", title, `${message.message} ${message.hint}`.trim());
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

function keep(list, item) {
  list.push(item);
  if (list.length > MAX_LOG) list.shift();
}

function setPhase(phase) {
  page.phase = document.body.dataset.phase = phase;
  if (phase === "live") meter.reset();
  show();
}

/** What can be done now. */
function show() {
  const live = page.phase === "live";
  const auto = call?.options.turns === "auto";
  const holds = live && call.microphone && !auto;
  const typed = live && !call.microphone;
  talk.show(holds ? "Hold to talk" : page.phase === "idle" || typed ? "Talk" : "End");
  $("#end").hidden = !holds && !typed;
  $("#mute").hidden = !auto || !call.microphone;
  $("#mute .label").textContent = call?.muted ? "Unmute" : "Mute";
  $("#turns").disabled = page.phase !== "idle";
  document.body.dataset.microphone = String(!!call?.microphone);
  document.body.dataset.muted = String(!!call?.muted);
  document.body.dataset.turns = setting("turns");
  audio.update();
  showStatus();
}

function showStatus() {
  const { words, wrong } = statusOf(page.phase, page.state, call);
  levelOff = call?.muted ? "muted" : wrong ? "–" : "";
  if (levelOff) {
    meter.stop(levelOff);
    document.documentElement.style.setProperty("--level", "0");
  }
  const text = page.phase === "idle" && ending ? ending : words;
  if ($("#status").textContent !== text) $("#status").textContent = text;
  document.body.dataset.wrong = String(wrong);
}

function showLevel(peak) {
  meter.level(peak, levelOff);
  // The root makes soft speech visible.
  document.documentElement.style.setProperty("--level", levelOff ? "0" : Math.min(1, Math.sqrt(peak)).toFixed(2));
}

function mute() {
  if ($("#mute").hidden) return;
  call.mute(!call.muted);
  show();
}

const shortcuts = [
  { key: "t", name: "T", label: "Talk, or end", run: () => (call ? call.end() : begin({ microphone: true })) },
  { key: " ", name: "Space", label: "Hold to talk", held: true, run: (down) => talk.holds && talk.set(down) },
  { key: "m", name: "M", label: "Mute, or unmute", run: mute },
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
$("#token").value = token();
$("#token").onchange = ({ target }) => keepToken(target.value);
$("#end").onclick = () => call?.end();
$("#mute").onclick = mute;
$("#save-text").onclick = () => save("text", transcript, decisions, page.session);
$("#save-json").onclick = () => save("json", transcript, decisions, page.session);
$("#compose").onsubmit = async (event) => {
  event.preventDefault();
  const text = $("#text").value.trim();
  if (!text) return;
  pending = text;
  if (page.phase === "live") sendPending();
  else if (!call) await begin({ microphone: false });
};
whenBack({ seen: () => audio.look(), done: () => call?.wake() });
window.addEventListener("online", () => (page.phase === "waiting" || call?.isAway) && call.dial());
window.addEventListener("offline", () => audio.look());
window.addEventListener("pagehide", () => call?.finish({ reason: "left", close: null }));

if (!mayListen()) notice.show("insecure", ...INSECURE);
new ResizeObserver(([{ target }]) => {
  target.style.setProperty("--bar", `${(target.offsetWidth - target.clientWidth) / 2}px`);
}).observe($("main"));
show();
