import type { Fault } from '../../src/demo/datadog/faults.ts';
import type { StandIn } from '../../src/demo/datadog/simulator.ts';

/** Draws in [0, 1). */
export type Draw = () => number;

export function pick<T>(draw: Draw, values: readonly T[]): T {
  return values[Math.floor(draw() * values.length)] as T;
}

export function shuffled<T>(draw: Draw, values: readonly T[]): T[] {
  const rest = [...values];
  const out: T[] = [];
  while (rest.length > 0) out.push(...rest.splice(Math.floor(draw() * rest.length), 1));
  return out;
}

const query = { path: '/query' } as const;

/** Every fault that the stand-in knows: a kind that is missing here does not compile. */
const makers: { readonly [K in Fault['kind']]: (draw: Draw) => Fault } = {
  rate_limited: (draw) => ({
    kind: 'rate_limited',
    limits: { resetSeconds: 1 + Math.floor(draw() * 2) },
    ...query,
  }),
  rate_limit_headers: (draw) => ({
    kind: 'rate_limit_headers',
    limits: {
      limit: 100,
      periodSeconds: 60,
      remaining: Math.floor(draw() * 3),
      resetSeconds: 1,
      name: 'query_timeseries',
    },
    ...query,
  }),
  status: (draw) => ({
    kind: 'status',
    status: pick(draw, [400, 401, 403, 404, 408, 500, 502, 503, 504]),
    ...query,
  }),
  hang: () => ({ kind: 'hang', ...query }),
  slow: (draw) => ({ kind: 'slow', delayMs: pick(draw, [300, 1500, 4000, 9000]), ...query }),
  reset_mid_body: () => ({ kind: 'reset_mid_body', ...query }),
  html: () => ({ kind: 'html', ...query }),
  cut_off: () => ({ kind: 'cut_off', ...query }),
  empty_body: () => ({ kind: 'empty_body', ...query }),
  nan_strings: () => ({ kind: 'nan_strings' }),
  infinite_values: () => ({ kind: 'infinite_values' }),
  negative_counts: () => ({ kind: 'negative_counts' }),
  more_bad_than_total: () => ({ kind: 'more_bad_than_total' }),
  // At least one is kept: an answer without any group is what a Datadog without traffic says too.
  groups_cut_off: (draw) => ({ kind: 'groups_cut_off', keep: 1 + Math.floor(draw() * 4) }),
  coarse_points: (draw) => ({ kind: 'coarse_points', everyMs: pick(draw, [120_000, 300_000]) }),
  missing_series: (draw) =>
    draw() < 0.3
      ? { kind: 'missing_series' }
      : { kind: 'missing_series', match: pick(draw, ['signup', 'likes', '/me', 'search', 'matches']) },
  reordered: () => ({ kind: 'reordered' }),
  misaligned_times: () => ({ kind: 'misaligned_times' }),
  duplicated_groups: () => ({ kind: 'duplicated_groups' }),
  unknown_groups: (draw) => ({ kind: 'unknown_groups', count: 1 + Math.floor(draw() * 5) }),
  newest_minute_halved: () => ({ kind: 'newest_minute_halved' }),
  newest_minutes_missing: (draw) => ({
    kind: 'newest_minutes_missing',
    minutes: 5 + Math.floor(draw() * 60),
  }),
  date_shifted: (draw) => ({
    kind: 'date_shifted',
    offsetMs: pick(draw, [-360_000, -120_000, 120_000, 360_000]),
    ...query,
  }),
  date_replaced: (draw) => ({
    kind: 'date_replaced',
    date: pick(draw, [null, 'yesterday', 'Thu, 01 Jan 1970 00:00:00 GMT']),
    ...query,
  }),
};

export const faultKinds = Object.keys(makers) as readonly Fault['kind'][];

/** Fires faults one after the other, every kind once before any comes again. */
export class FaultGun {
  readonly #standIn: StandIn;
  readonly #draw: Draw;
  #magazine: Fault['kind'][] = [];
  readonly fired = new Map<string, number>();
  /** When what the stand-in sent was not what it meant to send, or came later. */
  readonly #muddled: [fromMs: number, toMs: number][] = [];
  #halvedFromMs = Number.POSITIVE_INFINITY;
  #halvedUntilMs = 0;

  constructor(standIn: StandIn, draw: Draw) {
    this.#standIn = standIn;
    this.#draw = draw;
  }

  /** Returns how many ms it lasts at most. */
  fire(nowMs: number): number {
    if (this.#magazine.length === 0) this.#magazine = shuffled(this.#draw, faultKinds);
    const kind = this.#magazine.pop() as Fault['kind'];
    const fault = makers[kind](this.#draw);
    const times = 1 + Math.floor(this.#draw() * 4);
    const lastsMs = 300 + Math.floor(this.#draw() * 1200);
    const stop = this.#standIn.faults.push({ ...fault, times });
    setTimeout(stop, lastsMs).unref();
    this.fired.set(kind, (this.fired.get(kind) ?? 0) + 1);
    if (muddling.has(kind)) this.#muddled.push([nowMs, nowMs + lastsMs]);
    if (kind === 'newest_minute_halved') {
      if (this.#halvedUntilMs < nowMs) this.#halvedFromMs = nowMs;
      this.#halvedUntilMs = nowMs + lastsMs + afterglowMs;
    }
    return lastsMs;
  }

  /** Whether a call that came in at this moment may have been answered late, or with half of what was meant. */
  muddledAt(epochMs: number): boolean {
    return this.#muddled.some(([from, to]) => from - 5 <= epochMs && epochMs <= to + 50);
  }

  /** Whether what is answered to a question of this moment may rest on a halved minute. */
  halvedSince(epochMs: number): boolean {
    return epochMs <= this.#halvedUntilMs && epochMs + afterglowMs >= this.#halvedFromMs;
  }
}

const muddling: ReadonlySet<string> = new Set(['hang', 'slow', 'reset_mid_body', 'status']);

/** A halved minute may be kept by a cache for its TTL, and asked for by a question that waited for all its deadline. */
const afterglowMs = 12_000;
