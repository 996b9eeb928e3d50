// When the person is back: the page is seen again, or something is done to it.

const SEEN = ["focus", "pageshow", "online"];
const DONE = ["pointerdown", "pointerup", "click", "keydown", "touchend"];

/** Calls `seen()` when the page is seen again and when the network comes, and `done()` at each click, tap and key. */
export function whenBack({ seen, done }) {
  for (const name of SEEN) window.addEventListener(name, seen);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && seen());
  document.addEventListener("resume", seen); // of a page that was frozen
  for (const name of DONE) document.addEventListener(name, done, { capture: true, passive: true });
}
