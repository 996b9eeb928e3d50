// The console: one button to talk, the words of both sides, and how long each turn took.

import { MicrophoneError, OUTPUT_RATE, openLoudspeaker, openMicrophone } from "./sound.js";
import { Stream } from "./stream.js";
import { Transcript, milliseconds } from "./transcript.js";

const MAX_LOG = 5000;
const MAX_DECISIONS = 100;
const STATES = {
  initial: "",
  listening: "Listening",
  processing: "Thinking",
  speaking: "Speaking",
  away: "Still there?",
  ended: "",
};

const options = new URLSearchParams(location.search);
const $ = (selector) => document.querySelector(selector);
const transcript = new Transcript($("#transcript"));

/** For tests, and for the curious: what the page knows. */
const page = (window.duologue = {
  phase: "idle", // idle, connecting, live
  state: null, // the last `state`
  session: null, // the last `started`
  log: [], // messages of the server, the newest last
  marks: [], // positions that were reported
  audio: options.get("keep") === "1" ? [] : null, // frames that came, where they are kept
  notice: null,
  microphoneRate: null,
});

let call = null; // {stream, microphone, speaker, ended}
let latencies = [];

async function begin({ microphone }) {
  if (call) return;
  const mine = (call = { stream: null, microphone: null, speaker: null, ended: null });
  dismiss();
  setPhase("connecting");
  $("#status").textContent = "Connecting";
  try {
    if (microphone) {
      mine.microphone = await openMicrophone({
        processing: options.get("aec") !== "0",
        frame: (frame) => mine.stream.sendFrame(frame),
        level: showLevel,
      });
      page.microphoneRate = mine.microphone.rate;
    }
    mine.speaker = await openLoudspeaker({ mark: (position) => mark(mine, position) });
    if (call !== mine) return release(mine);
    const url = new URL("v1/stream", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = url.hash = "";
    mine.stream = new Stream(
      url,
      { audio_out: { rate: OUTPUT_RATE }, marks: true, agent: options.get("agent") },
      {
        message: (message) => receive(mine, message),
        frame: (frame) => play(mine, frame),
        closed: (close) => closed(mine, close),
      },
    );
    await new Promise((resolve) => (mine.ready = resolve));
  } catch (error) {
    release(mine);
    if (call !== mine) return;
    call = null;
    setPhase("idle");
    const title = error instanceof MicrophoneError ? error.title : "The conversation could not begin";
    notify(title, error.message, { label: "Try again", run: () => begin({ microphone }) });
  }
}

function end() {
  if (!call) return;
  if (call.stream) call.stream.end();
  else {
    call = null; // still opening: what comes of it is let go
    setPhase("idle");
  }
}

function release({ microphone, speaker }) {
  microphone?.close();
  speaker?.close();
  showLevel(0);
}

function closed(mine, { code, reason }) {
  release(mine);
  mine.ready?.();
  if (call !== mine) return;
  call = null;
  setPhase("idle");
  document.body.dataset.state = "ended";
  if (mine.ended && mine.ended !== "client_end") $("#status").textContent = `Ended: ${mine.ended.replaceAll("_", " ")}`;
  if (mine.ended === "shutdown" || (!mine.ended && !mine.failed)) {
    const text = mine.ended ? "It is shutting down or starting anew." : `The connection ended${why(code, reason)}.`;
    notify("The server is gone", text, { label: "Reconnect", run: () => begin({ microphone: !!mine.microphone }) });
  }
}

function why(code, reason) {
  if (reason) return `: ${reason}`;
  return code === 1006 ? " without a word" : ` with code ${code}`;
}

function play(mine, frame) {
  page.audio?.push(frame);
  mine.speaker.play(frame);
}

function mark(mine, position) {
  page.marks.push(position);
  if (page.marks.length > MAX_LOG) page.marks.shift();
  mine.stream.send({ type: "mark", position });
}

// What the server tells, by its type.
const handlers = {
  started(message, mine) {
    page.session = message;
    mine.started = true;
    mine.microphone?.start();
    transcript.clear();
    $("#decisions ol").replaceChildren();
    $("#vitals").textContent = "";
    latencies = [];
    setPhase("live");
    mine.ready();
  },
  state(message) {
    page.state = message;
    document.body.dataset.state = message.session;
    $("#status").textContent = message.user === "speaking" ? "Hearing you" : STATES[message.session];
  },
  "speech.started": ({ turn }) => transcript.user(turn, "", { partial: true }),
  "transcript.partial": ({ turn, text }) => transcript.user(turn, text, { partial: true }),
  "transcript.final": ({ turn, text }) => transcript.user(turn, text),
  "agent.text": ({ generation, text }) => transcript.clause(generation, text),
  "agent.heard": ({ generation, text, said }) => transcript.heard(generation, text, said),
  pause: (_, mine) => mine.speaker.pause(),
  resume: (_, mine) => mine.speaker.resume(),
  interrupted({ generation }, mine) {
    mine.speaker.flush(generation);
    transcript.cut(generation);
  },
  latency(message) {
    transcript.latency(message);
    if (message.voice_to_voice_s !== null) latencies.push(message.voice_to_voice_s);
    if (!latencies.length) return;
    const sorted = latencies.toSorted((a, b) => a - b);
    const turns = sorted.length === 1 ? "1 turn" : `${sorted.length} turns`;
    $("#vitals").textContent = `${milliseconds(sorted[sorted.length >> 1])} median of ${turns}`;
  },
  decision(message) {
    const { name, fields } = message;
    if (name === "speech_ignored") transcript.user(fields.turn, "");
    if (name === "speculation_discarded") transcript.discard(fields.generation);
    explain(message);
  },
  error(message, mine) {
    if (message.fatal) mine.failed = true;
    const again = message.fatal && message.retryable;
    notify(
      message.fatal ? "The conversation ended" : "Something went wrong",
      `${message.message} ${message.hint}`.trim(),
      again ? { label: "Try again", run: () => begin({ microphone: !!mine.microphone }) } : null,
    );
  },
  ended({ reason }, mine) {
    mine.ended = reason;
  },
};

function receive(mine, message) {
  page.log.push(message);
  if (page.log.length > MAX_LOG) page.log.shift();
  handlers[message.type]?.(message, mine);
}

function explain({ name, reason, at_s, fields }) {
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = `${at_s.toFixed(2)} s`;
  const text = document.createElement("span");
  const title = document.createElement("b");
  title.textContent = name.replaceAll("_", " ");
  const rest = Object.entries(fields)
    .filter(([key, value]) => key !== "text" && value !== null) // the words stand in the transcript
    .map(([key, value]) => `${key} ${typeof value === "number" ? +value.toFixed(3) : value}`);
  text.append(title, ` ${[reason.replaceAll("_", " "), ...rest].filter(Boolean).join(" · ")}`);
  item.append(time, text);
  const list = $("#decisions ol");
  list.prepend(item);
  if (list.children.length > MAX_DECISIONS) list.lastChild.remove();
}

function setPhase(phase) {
  page.phase = document.body.dataset.phase = phase;
  $("#talk .label").textContent = phase === "idle" ? "Talk" : "End";
  if (phase === "idle") $("#status").textContent = "";
}

function showLevel(peak) {
  // The root makes soft speech visible.
  document.documentElement.style.setProperty("--level", Math.min(1, Math.sqrt(peak)).toFixed(2));
}

function notify(title, text, action = null) {
  page.notice = { title, text };
  $("#notice-title").textContent = title;
  $("#notice-text").textContent = text;
  $("#notice-action").hidden = !action;
  $("#notice-action").textContent = action?.label ?? "";
  $("#notice-action").onclick = action?.run ?? null;
  $("#notice").hidden = false;
}

function dismiss() {
  page.notice = null;
  $("#notice").hidden = true;
}

$("#talk").onclick = () => (call ? end() : begin({ microphone: true }));
$("#notice-close").onclick = dismiss;
$("#compose").onsubmit = async (event) => {
  event.preventDefault();
  const text = $("#text").value.trim();
  if (!text) return;
  if (!call) await begin({ microphone: false });
  if (!call?.started) return;
  call.stream.send({ type: "text", text });
  $("#text").value = "";
};
