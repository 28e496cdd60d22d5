import type { Fault, FaultedCall } from '../../../src/demo/datadog/faults.ts';
import type { Simulator } from '../../../src/demo/datadog/simulator.ts';
import { type Draw, pick } from '../draw.ts';
import { FaultGun, type FaultMakers } from '../fault-gun.ts';
import { afterglowMs, settledGlowMs } from '../phases.ts';

const minuteMs = 60_000;

/** Every fault of the simulator: a missing kind is a compile error. */
const makers: FaultMakers<Fault> = {
  rate_limited: (draw) => ({
    kind: 'rate_limited',
    limits: { resetSeconds: 1 + Math.floor(draw() * 2) },
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
  }),
  status: (draw) => ({
    kind: 'status',
    status: pick(draw, [400, 401, 403, 404, 408, 500, 502, 503, 504]),
  }),
  hang: () => ({ kind: 'hang' }),
  slow: (draw) => ({ kind: 'slow', delayMs: pick(draw, [300, 1500, 4000, 9000]) }),
  reset_mid_body: () => ({ kind: 'reset_mid_body' }),
  html: () => ({ kind: 'html' }),
  cut_off: () => ({ kind: 'cut_off' }),
  empty_body: () => ({ kind: 'empty_body' }),
  nan_strings: () => ({ kind: 'nan_strings' }),
  infinite_values: () => ({ kind: 'infinite_values' }),
  negative_counts: () => ({ kind: 'negative_counts' }),
  more_bad_than_total: () => ({ kind: 'more_bad_than_total' }),
  // At least one is kept: an answer without any group also means that there is no traffic.
  groups_cut_off: (draw) => ({ kind: 'groups_cut_off', keep: 1 + Math.floor(draw() * 4) }),
  // Up to a minute, the gate takes the newest data as it is (appliesTo).
  coarse_points: (draw) => ({
    kind: 'coarse_points',
    everyMs: pick(draw, [20_000, 60_000, 120_000, 300_000]),
  }),
  // Any of the series, or some of its points.
  missing_series: (draw) => ({
    kind: 'missing_series',
    nth: Math.floor(draw() * 1000),
    points: pick(draw, ['all', 'all', 'older_half', 'newer_half', 'every_second']),
  }),
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
  }),
  date_replaced: (draw) => ({
    kind: 'date_replaced',
    date: pick(draw, [null, 'yesterday', 'Thu, 01 Jan 1970 00:00:00 GMT']),
  }),
};

/** More frequent than others, since there are many series to lose. */
const often: readonly Fault['kind'][] = ['missing_series', 'missing_series'];

/** The faults of the simulator's answers, and which calls they applied to. */
export class DatadogFaults {
  readonly gun: FaultGun<Fault>;
  /** Calls whose answer was late, or was changed in its status or cut off. */
  readonly #muddled = new WeakSet<FaultedCall>();
  /** Calls whose newest minute was halved, in order. */
  readonly #halved: FaultedCall[] = [];
  /** Calls that were answered in buckets of 20 s or a minute, in order. */
  readonly #coarse: FaultedCall[] = [];
  /** Calls that lost some points of a series, in order. */
  readonly #losing: FaultedCall[] = [];
  /** Epoch ms of the calls whose `Date` was wrong or missing, in order. */
  readonly #misdatedAt: number[] = [];
  /** Calls with missing newest minutes, in order, and the end of their data, epoch ms. */
  readonly #ended: { readonly call: FaultedCall; readonly endMs: number }[] = [];

  constructor(simulator: Simulator, draw: Draw) {
    this.gun = new FaultGun(makers, draw, often);
    simulator.setFault((call) => this.#strike(call));
  }

  #strike(call: FaultedCall): Fault[] {
    if (!call.path.includes('/query')) return [];
    const striking = this.gun.strike(call.at, (fault) => appliesTo(fault, call));
    for (const fault of striking) this.#record(fault, call);
    return striking;
  }

  #record(fault: Fault, call: FaultedCall): void {
    if (muddling.has(fault.kind)) this.#muddled.add(call);
    if (fault.kind === 'newest_minute_halved') this.#halved.push(call);
    if (fault.kind === 'coarse_points' && fault.everyMs <= minuteMs) this.#coarse.push(call);
    if (fault.kind === 'missing_series' && fault.points !== 'all') this.#losing.push(call);
    if (fault.kind === 'date_shifted' || fault.kind === 'date_replaced') this.#misdatedAt.push(call.at);
    if (fault.kind === 'newest_minutes_missing')
      this.#ended.push({ call, endMs: toMsOf(call) - fault.minutes * minuteMs });
  }

  /** Whether the answer to this call was late, or was changed in its status or cut off. */
  isMuddled(call: FaultedCall): boolean {
    return this.#muddled.has(call);
  }

  /** The ends of the calls with a halved newest minute that an answer to a request at this time may be based on, epoch ms. */
  halvedNear(startedMs: number, endedMs: number): number[] {
    return near(this.#halved, (call) => call, startedMs, endedMs).map(toMsOf);
  }

  /** Whether it may be based on a call in buckets of 20 s or a minute. */
  coarseNear(startedMs: number, endedMs: number): boolean {
    return near(this.#coarse, (call) => call, startedMs, endedMs).length > 0;
  }

  /** The ends of the calls about this version that lacked some points of a series, and that it may be based on, epoch ms. */
  lostNear(version: string, startedMs: number, endedMs: number): number[] {
    return near(this.#losing, (call) => call, startedMs, endedMs)
      .filter(({ body }) => JSON.stringify(body).includes(version))
      .map(toMsOf);
  }

  /** Whether it may be based on an answer of Datadog whose `Date` was wrong or missing. */
  datesWrongNear(startedMs: number, endedMs: number): boolean {
    const newest = this.#misdatedAt.findLast((at) => at <= endedMs);
    return newest !== undefined && newest >= startedMs - afterglowMs;
  }

  /** Where the data of calls that it may be based on ended, epoch ms. That of the past is not kept for longer then. */
  endsNear(startedMs: number, endedMs: number): number[] {
    return near(this.#ended, ({ call }) => call, startedMs, endedMs)
      .filter(({ call }) => call.at >= startedMs - afterglowMs)
      .map(({ endMs }) => endMs);
  }
}

/** Of calls in order: those that an answer to a request at this time may be based on. */
function near<T>(
  all: readonly T[],
  callOf: (one: T) => FaultedCall,
  startedMs: number,
  endedMs: number,
): T[] {
  const first = all.findLastIndex((one) => callOf(one).at < startedMs - settledGlowMs) + 1;
  return all.slice(first).filter((one) => {
    const call = callOf(one);
    return call.at <= endedMs && call.at >= startedMs - (isPast(call) ? settledGlowMs : afterglowMs);
  });
}

interface Attributes {
  readonly to: number;
  readonly interval?: number;
}

function attributesOf({ body }: FaultedCall): Attributes {
  return (body as { data: { attributes: Attributes } }).data.attributes;
}

function toMsOf(call: FaultedCall): number {
  return attributesOf(call).to;
}

/**
 * Datadog's shortest buckets grow with the span, so that of 15 minutes they have at most a minute. The gate does not look for longer
 * ones there, and asks for a minute where it looks for them.
 */
function appliesTo(fault: Fault, call: FaultedCall): boolean {
  return fault.kind !== 'coarse_points' || fault.everyMs > minuteMs === isPast(call);
}

/** Whether it is the first of a question's two calls: about what is settled, in buckets of a minute. */
function isPast(call: FaultedCall): boolean {
  return attributesOf(call).interval === minuteMs;
}

const muddling: ReadonlySet<Fault['kind']> = new Set(['hang', 'slow', 'reset_mid_body', 'status']);
