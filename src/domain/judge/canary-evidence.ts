import { EvidenceProcess, logEvidenceCap, logMixture } from '../statistics/e-process.ts';
import { type BadEvents, logWithRestarts, RestartableEvidence } from '../statistics/restartable-evidence.ts';
import { rounding } from './abort-threshold.ts';
import type { JudgedWindow } from './analysis-window.ts';
import type { LeftOutEvents, ShortInterval } from './short-intervals.ts';
import type { EndpointSums, SliSums } from './sli-counts.ts';

/**
 * The evidence against the canary: over all endpoints together and over each by itself, both from the start of the window and as
 * evidence that can start again. All numbers are natural logs.
 */
export class CanaryEvidence {
  readonly log: number;
  /** Of each endpoint by itself, in the order of the sums; ln 1 = 0 where it had no traffic. */
  readonly logAlone: readonly number[];
  /** All endpoints together, from the start of the window. */
  readonly pooled: EvidenceProcess;
  /** The least that evidence that can start again is worth in this window, wherever the bad events come. No log. */
  readonly minRestartable: number;
  readonly #sums: SliSums;
  readonly #pooledLate: RestartableEvidence;
  readonly #late: readonly RestartableEvidence[];

  /** `weight` is that of each minute of the window. */
  constructor(sums: SliSums, window: JudgedWindow, budget: number, weight: number) {
    const { first, end } = window;
    this.#sums = sums;
    this.minRestartable = Math.max(0, 1 - weight * (end - first));
    this.pooled = new EvidenceProcess(sums.n, budget);
    const { canaryTotal: total, canaryBad: bad } = sums.minutes;
    this.#pooledLate = new RestartableEvidence({ total, bad, scale: 1 }, first, end, budget, weight);
    this.#late = sums.endpoints.map(
      (one) => new RestartableEvidence(minutesOf(one, window), first, end, one.allowedRate, weight),
    );
    // Over all endpoints, reached or not: a mean over those with traffic would rise when a clean one joins them, and the
    // chance of ever reaching 1/alpha would no longer be bounded by alpha.
    this.logAlone = sums.endpoints.map((one, i) =>
      logWithRestarts(logFromStart(one), (this.#late[i] as RestartableEvidence).value),
    );
    this.log =
      sums.total > 0
        ? logMixture(logWithRestarts(this.pooled.log(sums.e), this.#pooledLate.value), this.logAlone)
        : 0;
  }

  /** The least that remains if the requests in one of some intervals had not failed; infinite without an interval. */
  minWithout(intervals: readonly ShortInterval[]): number {
    const fromStart = this.#sums.endpoints.map(logFromStart);
    const all = intervals.map((interval) => this.#without(interval, fromStart));
    // Most intervals are ruled out by what remains from the start, which takes far less time.
    all.sort((a, b) => a.lowerBound - b.lowerBound);
    let least = Number.POSITIVE_INFINITY;
    for (const { lowerBound, exact } of all) {
      if (lowerBound >= least) break;
      // A greater number is never shown.
      if (lowerBound >= logEvidenceCap) return lowerBound;
      least = Math.min(least, exact());
    }
    return least;
  }

  #without(interval: ShortInterval, logsFromStart: readonly number[]) {
    const { endpoints } = this.#sums;
    const byEndpoint = new Map<number, LeftOutEvents[]>();
    for (const one of interval) {
      const own = byEndpoint.get(one.endpoint);
      if (own === undefined) byEndpoint.set(one.endpoint, [one]);
      else own.push(one);
    }
    const logs = logsFromStart.slice();
    let e = this.#sums.e;
    for (const [i, leftOut] of byEndpoint) {
      const { process, scale, bad } = endpoints[i] as EndpointSums;
      const left = leftOut.reduce((rest, one) => Math.max(0, rest - one.bad), bad);
      logs[i] = process.log(left * scale);
      e -= (bad - left) * scale;
    }
    const pooled = this.pooled.log(Math.max(0, e));
    return {
      lowerBound: logWithRestarts(logMixture(pooled, logs), this.minRestartable),
      exact: () => {
        const alone = this.logAlone.slice();
        for (const [i, leftOut] of byEndpoint)
          alone[i] = logWithRestarts(
            logs[i] as number,
            (this.#late[i] as RestartableEvidence).without(byMinute(leftOut, () => 1)),
          );
        const pooledLate = this.#pooledLate.without(
          byMinute(interval, (endpoint) => (endpoints[endpoint] as EndpointSums).scale),
        );
        return logMixture(logWithRestarts(pooled, pooledLate), alone);
      },
    };
  }
}

function logFromStart({ process, bad, scale }: EndpointSums): number {
  return process.log(bad * scale);
}

/** The canary's counts of one endpoint by minute. */
function minutesOf({ measured: { canary }, bad: all, scale }: EndpointSums, { first, end }: JudgedWindow) {
  const { total } = canary;
  // Most endpoints have none.
  if (!(all > 0)) return { total, bad: [], scale };
  const bad = new Float64Array(end);
  for (let i = first; i < end; i += 1) {
    const count = canary.bad[i] ?? 0;
    if (count > rounding) bad[i] = count;
  }
  return { total, bad, scale };
}

/** Sums of some minutes, in rising order. An interval has them by endpoint, and a minute may have several of its buckets. */
function byMinute(some: readonly LeftOutEvents[], weightOf: (endpoint: number) => number): BadEvents[] {
  const minutes = new Map<number, number>();
  for (const { endpoint, minute, bad } of some)
    minutes.set(minute, (minutes.get(minute) ?? 0) + bad * weightOf(endpoint));
  return [...minutes].map(([minute, bad]) => ({ minute, bad })).sort((a, b) => a.minute - b.minute);
}
