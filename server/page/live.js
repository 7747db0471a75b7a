// The stream of snapshots from /v1/engine/live, and what is remembered of them.
import { events, onKey, request } from "./api.js";

const kStepsKept = 600;
const kFinishedKept = 60;
const kHistoriesKept = 600;
const kChunksKept = 200;
const kRetryMs = [500, 1000, 2000, 5000];

export class Live {
  // changed(live) after each snapshot; state(text) when the connection changes.
  constructor(changed, state) {
    this.changed = changed;
    this.state = state;
    this.steps = [];       // ascending, each once
    this.finished = [];    // ascending
    this.rates = { generation: 0, prompt: 0 };  // tokens per second
    this.snapshot = null;
    this.names = new Map();  // sequence -> request id, also of finished ones
    // sequence -> {chunks: [[begin, end, tokens]] of its prompt, pauses: [[begin, end or null]]}
    this.histories = new Map();
    this.controller = null;
    onKey(() => { if (this.controller) { this.stop(); this.start(); } });
  }

  start() {
    if (this.controller) return;
    this.controller = new AbortController();
    this.run(this.controller.signal);
  }

  stop() {
    this.controller?.abort();
    this.controller = null;
    this.state("Not watching.");
  }

  async run(signal) {
    for (let failures = 0; !signal.aborted;) {
      try {
        this.state("Connecting.");
        const response = await request("v1/engine/live?stream=1", { signal });
        this.state("");
        for await (const snapshot of events(response)) {
          if (signal.aborted) return;
          failures = 0;
          this.add(snapshot);
          this.changed(this);
        }
        throw new Error("the server ended the stream");
      } catch (error) {
        if (signal.aborted) return;
        this.state(`Not connected: ${error.message}.`);
        const wait = kRetryMs[Math.min(failures++, kRetryMs.length - 1)];
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  add(snapshot) {
    const before = this.snapshot;
    if (before && snapshot.counters.steps < before.counters.steps) {  // another life of the server
      this.steps = [];
      this.finished = [];
      this.names.clear();
      this.histories.clear();
    }
    const newest = this.steps.at(-1)?.n ?? 0;
    const fresh = snapshot.steps.filter((step) => step.n > newest);
    for (const step of fresh) this.remember(step);
    this.steps.push(...fresh);
    this.steps.splice(0, Math.max(0, this.steps.length - kStepsKept));
    const serial = this.finished.at(-1)?.serial ?? 0;
    this.finished.push(...snapshot.finished.filter((ended) => ended.serial > serial));
    this.finished.splice(0, Math.max(0, this.finished.length - kFinishedKept));
    for (const live of snapshot.requests) {
      this.names.set(live.sequence, live.request_id);
      const pause = this.histories.get(live.sequence)?.pauses.at(-1);
      if (pause && pause[1] === null && live.phase !== "waiting") pause[1] = snapshot.now;
    }
    if (this.names.size > 2000) this.names.delete(this.names.keys().next().value);
    this.snapshot = snapshot;
    this.measure(before, snapshot);
  }

  history(sequence) {
    if (!this.histories.has(sequence)) this.histories.set(sequence, { chunks: [], pauses: [] });
    if (this.histories.size > kHistoriesKept) this.histories.delete(this.histories.keys().next().value);
    return this.histories.get(sequence);
  }

  remember(step) {
    const shares = step.shares ?? [];
    for (let i = 0; i < shares.length; i += 4) {
      const history = this.history(shares[i]);
      const pause = history.pauses.at(-1);
      if (pause && pause[1] === null) pause[1] = step.at;
      if (shares[i + 1] < 0 && history.chunks.length < kChunksKept) history.chunks.push([step.at, step.at + stepMs(step), -shares[i + 1]]);
    }
    for (const sequence of step.preempted ?? []) this.history(sequence).pauses.push([step.at, null]);
  }

  measure(before, now) {
    const seconds = before ? (now.now - before.now) / 1000 : 0;
    if (!(seconds > 0)) return;
    const rate = (name) => Math.max(0, now.counters[name] - before.counters[name]) / seconds;
    const smooth = (old, value) => (value === 0 && old < 1 ? 0 : 0.6 * old + 0.4 * value);
    this.rates.generation = smooth(this.rates.generation, rate("generation_tokens"));
    this.rates.prompt = smooth(this.rates.prompt, rate("prompt_tokens"));
  }
}

export const stepMs = (step) => step.ms.reduce((sum, part) => sum + part, 0);
