// What can be wrong with a conversation, each in a sentence that says what to do about it.

const AGAIN = "click, tap or press a key to go on.";
const SUSPENDED = ["The audio is suspended", `Your browser has stopped it: ${AGAIN}`];

/** By the names that Call.troubles gives: title, text, and the label of a button that tries again. */
const TROUBLES = {
  suspended: [...SUSPENDED, "Go on"],
  closed: [...SUSPENDED, "Go on"],
  stuck: ["The audio is stuck", `Your browser neither plays nor records: ${AGAIN}`, "Go on"],
  interrupted: ["The audio is interrupted", `Another call or program has it: end that, then ${AGAIN}`, "Go on"],
  missing: ["The microphone is gone", "Connect one, and the page uses it at once, or type.", "Try again"],
  blocked: ["The microphone is blocked", "Allow it for this page in the browser’s address bar, or type.", "Try again"],
  busy: ["The microphone does not answer", "Close the program that may be using it, or type.", "Try again"],
  off: ["The microphone is muted", "Unmute it on the device itself or in the system’s settings, or type."],
  silent: ["The microphone is silent", "It sends nothing but zeros: check that it is on, or choose another in the settings."],
  quiet: ["The server does not answer", "What you say may not arrive; the page connects again by itself if this lasts."],
};

const OFFLINE = ["This device is offline", "Connect it to a network: the page goes on by itself."];

const WAITS = {
  kept: () => ["The connection was lost", "The server keeps the conversation, and the page goes on with it by itself."],
  lost: () => ["The connection was lost", "The server does not answer, or the network has dropped; the page tries again by itself."],
  shutdown: () => ["The server is gone", "It is shutting down or restarting; the page tries again by itself."],
  full: ({ error }) => ["The server is busy", `${error.message} ${error.hint ?? ""}`.trim()],
  proxy: ({ status }) => [
    "The server cannot be reached",
    `A proxy answers in its place, with HTTP ${status}; the page tries again by itself.`,
  ],
};

/** Title and text of what is waited for before the next try. */
export function waitingFor(why) {
  if (["lost", "kept"].includes(why.cause) && !navigator.onLine) return OFFLINE;
  const [title, text] = WAITS[why.cause](why);
  return [title, why.said ? `It said: “${why.said}”. The page tries again by itself.` : text];
}

/** What the transcript says where the session goes on after a loss; `restored`: in another process, as Call has it. */
export function wentOn(seconds, restored) {
  const time = seconds < 1.5 ? "a moment" : `${Math.round(seconds)} s`;
  const rest = restored ? "Another server goes on: what was said just before may be missing." : "The conversation goes on.";
  return `The connection was lost for ${time}. ${rest}`;
}

/** Title and text of why a connection is not tried again. */
export function givenUp(cause) {
  if (cause === "token") return ["This server asks for a token", "Enter the one that you were given in the settings, under Access."];
  if (cause !== "refused") return ["The connection was lost", "The server has not answered for a long time: try again later."];
  const { origin } = location;
  return [
    "The server refuses this page",
    `It answers, but takes no conversation from ${origin}: start it with “--allow-origin ${origin}”, or have the proxy before it pass the Host header and WebSockets.`,
  ];
}

/** Title and text of another microphone or loudspeaker being in use; null where there is nothing to be said. */
export function movedTo(kind, why, before, label) {
  const name = kind === "input" ? "microphone" : "loudspeaker";
  const gone = before ? `“${before}” is gone` : `The chosen ${name} is not there`;
  const verb = kind === "input" ? "listens through" : "plays to";
  const now = label ? `“${label}”` : `the system’s own ${name}`;
  if (why === "gone") return [`Another ${name} is in use`, `${gone}: the page ${verb} ${now}. Choose another in the settings.`];
  if (why === "default") return [`Another ${name} is in use`, `The system’s default has changed: the page ${verb} ${now}.`];
  return null;
}

/** Shows the troubles of a call as notices, each from when it comes until it goes. */
export class Troubles {
  /** `act(name)` is what the button of a notice does. */
  constructor(notice, act) {
    this.notice = notice;
    this.act = act;
    this.shown = new Set();
  }

  update(names) {
    for (const name of this.shown) if (!names.includes(name)) this.end(name);
    for (const name of names) if (!this.shown.has(name)) this.begin(name);
  }

  begin(name) {
    this.shown.add(name);
    const [title, text, label] = TROUBLES[name] ?? TROUBLES.suspended;
    const words = name === "quiet" && !navigator.onLine ? OFFLINE : [title, text];
    this.notice.show(name, ...words, { action: label ? { label, run: () => this.act(name) } : null });
  }

  end(name) {
    this.shown.delete(name);
    this.notice.hide(name);
  }
}
