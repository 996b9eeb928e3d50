// The token that lets this page in, and the tickets that it is exchanged for: a browser sends no headers with a WebSocket.

const KEY = "duologue.token";
const ANSWERS_WITHIN = 5000; // milliseconds
let held = "";

// A link may carry a token behind its "#", which no browser sends to a server. It is taken out of the address bar.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  keep(given);
  history.replaceState(null, "", location.pathname + location.search);
}

/** The token of this tab; empty if there is none. */
export function token() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return held; // storage is blocked
  }
}

export function keep(text) {
  held = text.trim();
  try {
    sessionStorage.setItem(KEY, held);
  } catch {
    // Storage is blocked: the token lasts as long as the page.
  }
}

/** A ticket for one connection; null where the page has no token, or the server gives none. */
export async function ticket() {
  const bearer = token();
  if (!bearer) return null;
  try {
    const answer = await fetch(new URL("tickets", document.baseURI), {
      method: "POST",
      headers: { Authorization: `Bearer ${bearer}` },
      signal: AbortSignal.timeout(ANSWERS_WITHIN),
    });
    return answer.ok ? (await answer.json()).ticket : null;
  } catch {
    return null; // the stream will say that nobody answers
  }
}

/** Whether the server asks for a token that this page does not have. */
export async function isLockedOut() {
  try {
    const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
    const url = new URL("v1/stream", document.baseURI);
    const answer = await fetch(url, { method: "POST", headers, signal: AbortSignal.timeout(ANSWERS_WITHIN) });
    return answer.status === 401;
  } catch {
    return false;
  }
}
