// Why the server did not take the WebSocket. A browser does not tell a page, so that the page asks over HTTP.

import { isLockedOut } from "./access.js";

const ANSWERS_WITHIN = 3000; // milliseconds

/** {cause: refused}, where it would take one; {cause: token}, where it asks for one; {cause: full, error} with what it says; {cause: proxy, status}; or {cause: lost}. */
export async function askWhy() {
  try {
    const url = new URL("ready", document.baseURI);
    const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(ANSWERS_WITHIN) });
    const body = await answer.json().catch(() => null);
    if (body?.ready === true) return { cause: (await isLockedOut()) ? "token" : "refused" };
    if (body?.ready === false && body.message) return { cause: "full", error: body };
    return { cause: "proxy", status: answer.status };
  } catch {
    return { cause: "lost" };
  }
}
