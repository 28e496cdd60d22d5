import { hash32 } from './normalise.ts';
import { SLOT_MS } from './points.ts';

/**
 * Lateness as Datadog's trace agent causes it (`pkg/trace/stats/concentrator.go`). An agent counts spans in buckets of
 * 10 s by their end time, holds the current bucket and the one before it, and sends older ones on a tick of its own every
 * 10 s. A bucket therefore leaves 20 to 30 s after its start, and intake takes some seconds more. All counts of a bucket
 * (hits, status codes, errors, durations) travel in one payload.
 */
export interface AgentLateness {
  /** Decides the phase of every agent's tick and how long the intake of each payload takes. */
  readonly seed: number;
  /** A `host` of the store stands for so many nodes with an agent each, which share its requests evenly; default: 3. */
  readonly agentsPerHost?: number;
  /** From the flush until queries count the payload, in ms, uniform; default: 5 s to 15 s. */
  readonly intakeMs?: Range;
  /** The share of payloads, 0 to 1, whose intake takes `slowIntakeMs` instead; default: 0.001. */
  readonly slowShare?: number;
  /** Default: 1 min to 5 min. */
  readonly slowIntakeMs?: Range;
}

/** In ms, both ends included. */
export type Range = readonly [minMs: number, maxMs: number];

/** Buckets that an agent holds: the current one and the one before. */
const HELD_BUCKETS = 2;

/** When the payloads of all agents arrive: a function of the seed, the host, the agent and the bucket alone. */
export class Agents {
  readonly #seed: number;
  readonly #perHost: number;
  readonly #intakeMs: Range;
  readonly #slowShare: number;
  readonly #slowIntakeMs: Range;

  constructor(options: AgentLateness) {
    this.#seed = options.seed;
    this.#perHost = options.agentsPerHost ?? 3;
    this.#intakeMs = options.intakeMs ?? [5_000, 15_000];
    this.#slowShare = options.slowShare ?? 0.001;
    this.#slowIntakeMs = options.slowIntakeMs ?? [60_000, 300_000];
    if (!Number.isInteger(this.#perHost) || this.#perHost < 1)
      throw new RangeError(`agentsPerHost must be a whole number from 1, not ${this.#perHost}`);
  }

  /** No payload arrives earlier than this after the start of its bucket, in ms. */
  get minDelayMs(): number {
    return HELD_BUCKETS * SLOT_MS + Math.min(this.#intakeMs[0], this.#slowMs[0]);
  }

  /** Every payload has arrived this long after the start of its bucket, in ms. */
  get maxDelayMs(): number {
    return (HELD_BUCKETS + 1) * SLOT_MS + Math.max(this.#intakeMs[1], this.#slowMs[1]);
  }

  get #slowMs(): Range {
    return this.#slowShare > 0 ? this.#slowIntakeMs : this.#intakeMs;
  }

  /**
   * What of a bucket's count has arrived at a time, for the requests of one host. Parts of different counts belong
   * together: of two counts of one bucket, the smaller one has the smaller part on every agent.
   */
  arrivedOf(host: string, nowMs: number): (slot: number, amount: number) => number {
    const key = hash32(`${this.#seed} ${host}`);
    let lastSlot = -1;
    let arrived: readonly number[] = [];
    return (slot, amount) => {
      if (slot !== lastSlot) {
        lastSlot = slot;
        arrived = this.#arrivedAgents(key, slot, nowMs);
      }
      if (arrived.length === this.#perHost) return amount;
      return arrived.reduce(
        (sum, agent) => sum + this.#part(amount, (agent + slot + key) % this.#perHost),
        0,
      );
    };
  }

  /** When the payload of one agent can be seen, epoch ms. */
  #arrivalMs(key: number, agent: number, slot: number): number {
    const phaseMs = Math.floor(uniform(key, agent, -1) * SLOT_MS);
    const flushMs = (slot + HELD_BUCKETS) * SLOT_MS + phaseMs;
    const isSlow = uniform(key, agent, slot, 1) < this.#slowShare;
    const [minMs, maxMs] = isSlow ? this.#slowIntakeMs : this.#intakeMs;
    return flushMs + minMs + Math.round(uniform(key, agent, slot, 2) * (maxMs - minMs));
  }

  #arrivedAgents(key: number, slot: number, nowMs: number): number[] {
    const agents: number[] = [];
    for (let agent = 0; agent < this.#perHost; agent += 1)
      if (this.#arrivalMs(key, agent, slot) <= nowMs) agents.push(agent);
    return agents;
  }

  /** The share of the agent of this rank; what does not divide evenly goes to the lower ranks, a fraction to rank 0. */
  #part(amount: number, rank: number): number {
    const whole = Math.floor(amount);
    const part = Math.floor((whole + this.#perHost - 1 - rank) / this.#perHost);
    return rank === 0 ? part + (amount - whole) : part;
  }
}

/** A number in [0, 1) for these integers, the same every time. */
function uniform(...integers: readonly number[]): number {
  let hash = 0x9e3779b9;
  for (const integer of integers) {
    hash = Math.imul(hash ^ integer, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return (hash >>> 0) / 4_294_967_296;
}
