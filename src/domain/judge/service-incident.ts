import { bucketMs, type EndpointMeasurement, type StableOfService } from '../metrics/metrics-source.ts';
import { logEvidence } from '../statistics/e-process.ts';
import { minBadEvents, reaches, rounding } from './abort-threshold.ts';

/**
 * A thin CUJ has too few requests of stable to show that a fault lies outside the release. All endpoints of its services together have
 * more. docs/verdicts-reference.md has the definition ("An incident of the services").
 */

/** The longest span, in minutes, that begins and ends with a minute in which something failed. */
const maxSpan = 4;
/** So many minutes before and after a span belong to it: an incident begins and ends inside a minute, and stable may be thin there. */
const margin = 1;
/** Up to so many times its usual rate, stable does nothing unusual. */
const usualMultiple = 2;
/** Minutes of a block. Of all blocks the worst quarter is not usual. */
const blockMinutes = 10;
const unusualShare = 1 / 4;
/** With fewer blocks nothing is known of what is usual. */
const minBlocks = 4;

/** Stable of one service by minute, and what its counts are worth. */
interface StableCounts extends StableOfService {
  readonly sampleRate: number;
  readonly dispersion: number;
}

/** Minutes in which stable of the services of a question failed more than it usually does. All are indexes of the measurement's minutes. */
export interface ServiceIncident {
  readonly minutes: ReadonlySet<number>;
  /** Those that chance does not explain either where all minutes of the measurement are looked at. */
  readonly proven: ReadonlySet<number>;
  readonly stable: readonly StableCounts[];
}

/** Stable's counts over some minutes. */
interface SpanCounts {
  /** Weighed, as n and e of the formulas are. No endpoint counts for more in `bad` than all others together. */
  readonly total: number;
  readonly bad: number;
  readonly badSeen: number;
}

/**
 * When stable of an SLI's services had an incident. `services` are its counts over all endpoints of the registry; `endpoints` are those
 * of the SLI, whose services' sample rate and dispersion hold. `fromMs` is the begin of the first minute, epoch ms; `budget` a ratio.
 */
export function serviceIncident(
  services: readonly StableOfService[],
  endpoints: readonly EndpointMeasurement[],
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  budget: number,
  logOne: number,
): ServiceIncident {
  const stable = services.flatMap((service) => {
    const of = endpoints.find((endpoint) => endpoint.service === service.service);
    return of === undefined ? [] : [{ ...service, sampleRate: of.sampleRate, dispersion: of.dispersion }];
  });
  const incident = { minutes: new Set<number>(), proven: new Set<number>(), stable };
  const minutes = Math.ceil((toMs - fromMs) / bucketMs);
  const pooled = weighedByMinute(stable, minutes);
  const failingAbove = (rate: number) =>
    Array.from({ length: minutes }, (_, i) => i).filter(
      (i) => (pooled.bad[i] as number) > rate * (pooled.total[i] as number),
    );
  // Most healthy services end here.
  if (failingAbove(budget).length === 0) return incident;
  const usual = usualRate(stable, minutes, Math.round(fromMs / bucketMs));
  if (usual === undefined) return incident;
  const allowed = Math.min(1, Math.max(budget, usualMultiple * usual));
  // A minute with some ordinary errors is not the begin or the end of an incident.
  const failing = failingAbove(allowed);
  const logProven = logOne + Math.log(minutes);
  for (const [at, first] of failing.entries()) {
    for (const last of failing.slice(at, at + maxSpan)) {
      if (last >= first + maxSpan) break;
      if (!(sum(pooled.bad, first, last + 1) > allowed * sum(pooled.total, first, last + 1))) continue;
      const { total, bad, badSeen } = spanCounts(stable, first, last + 1);
      const log = logEvidence(total, bad, allowed);
      if (log < logOne) continue;
      const isProven = log >= logProven && reaches(badSeen, minBadEvents);
      for (let i = Math.max(0, first - margin); i <= Math.min(minutes - 1, last + margin); i += 1) {
        incident.minutes.add(i);
        if (isProven) incident.proven.add(i);
      }
    }
  }
  return incident;
}

function weighedByMinute(stable: readonly StableCounts[], minutes: number) {
  const pooled = { total: new Float64Array(minutes), bad: new Float64Array(minutes) };
  for (const { total, bad, sampleRate, dispersion } of stable) {
    const scale = sampleRate / dispersion;
    for (let i = 0; i < minutes; i += 1) {
      pooled.total[i] = (pooled.total[i] as number) + (total[i] ?? 0) * scale;
    }
    for (const one of bad) {
      for (let i = 0; i < minutes; i += 1) {
        const events = one[i] ?? 0;
        if (events > rounding) pooled.bad[i] = (pooled.bad[i] as number) + events * scale;
      }
    }
  }
  return pooled;
}

function sum(values: Float64Array, first: number, end: number): number {
  let total = 0;
  for (let i = first; i < end; i += 1) total += values[i] as number;
  return total;
}

/**
 * The rate over the blocks of ten minutes without the worst quarter of them, so that an incident is not usual, and what happens all
 * the time is. Undefined where there are too few blocks. Blocks lie on the clock, so that they do not move as time goes on.
 */
function usualRate(
  stable: readonly StableCounts[],
  minutes: number,
  firstMinute: number,
): number | undefined {
  const blocks: SpanCounts[] = [];
  for (let first = 0; first < minutes; ) {
    const end = Math.min(minutes, first + blockMinutes - ((firstMinute + first) % blockMinutes));
    const counts = spanCounts(stable, first, end);
    if (counts.total > 0) blocks.push(counts);
    first = end;
  }
  if (blocks.length < minBlocks) return undefined;
  blocks.sort((a, b) => a.bad / a.total - b.bad / b.total || b.total - a.total);
  const usual = blocks.slice(0, blocks.length - Math.ceil(unusualShare * blocks.length));
  const total = usual.reduce((all, block) => all + block.total, 0);
  return usual.reduce((all, block) => all + block.bad, 0) / total;
}

/**
 * Stable over the minutes [first, end), all services together. The endpoint with the most bad events counts at most as many as all
 * others together, or one: where one endpoint alone fails, the others are not in an incident.
 */
export function spanCounts(stable: readonly StableCounts[], first: number, end: number): SpanCounts {
  let total = 0;
  const weighed = { all: 0, worst: 0, one: 0 };
  const seen = { all: 0, worst: 0, one: 1 };
  for (const { total: totals, bad, sampleRate, dispersion } of stable) {
    const scale = sampleRate / dispersion;
    for (let i = first; i < end; i += 1) total += (totals[i] ?? 0) * scale;
    for (const one of bad) {
      let events = 0;
      for (let i = first; i < end; i += 1) {
        const own = one[i] ?? 0;
        if (own > rounding) events += own;
      }
      if (!(events > 0)) continue;
      weighed.all += events * scale;
      if (events * scale > weighed.worst) {
        weighed.worst = events * scale;
        weighed.one = 1 / dispersion;
      }
      seen.all += events * sampleRate;
      seen.worst = Math.max(seen.worst, events * sampleRate);
    }
  }
  return { total, bad: Math.min(total, capped(weighed)), badSeen: capped(seen) };
}

function capped({ all, worst, one }: { all: number; worst: number; one: number }): number {
  const others = all - worst;
  return others + Math.min(worst, Math.max(others, one));
}
