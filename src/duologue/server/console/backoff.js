// How long to wait before the server is called again.

const FIRST = 0.5; // seconds
const LONGEST = 10;
const MOST = 60; // attempts, which is about ten minutes

export class Backoff {
  constructor() {
    this.attempts = 0;
  }

  /** Seconds to wait, as the server asks or longer each time; null where it has been long enough. */
  next(asked = null) {
    if (this.attempts++ >= MOST) return null;
    return Math.max(asked ?? 0, Math.min(LONGEST, FIRST * 2 ** (this.attempts - 1)));
  }

  /** The server answered. */
  rest() {
    this.attempts = 0;
  }
}
