// The median latency of the turns so far.

import { milliseconds } from "./waterfall.js";

const MAX_KEPT = 1000;

export class Vitals {
  constructor(root) {
    this.root = root;
    this.clear();
  }

  clear() {
    this.kept = [];
    this.root.textContent = "";
  }

  add({ voice_to_voice_s }) {
    if (voice_to_voice_s === null) return;
    this.kept.push(voice_to_voice_s);
    if (this.kept.length > MAX_KEPT) this.kept.shift();
    const sorted = this.kept.toSorted((a, b) => a - b);
    const turns = sorted.length === 1 ? "1 turn" : `${sorted.length} turns`;
    this.root.textContent = `${milliseconds(sorted[sorted.length >> 1])} median of ${turns}`;
  }
}
