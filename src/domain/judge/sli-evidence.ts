import type { EndpointMeasurement, RecentBuckets } from '../metrics/metrics-source.ts';
import { defaultMinFaultMs, type GatePolicy } from '../registry/model.ts';
import type { Objective } from '../registry/objective.ts';
import type { SliName } from '../sli/table.ts';
import { EvidenceProcess, logMixture } from '../statistics/e-process.ts';
import { logMeanExp } from '../statistics/log-mean-exp.ts';
import { shareLogsOf, withdrawCanaryBad } from '../statistics/share-test.ts';
import { type EvidenceThreshold, minBadEvents } from './abort-threshold.ts';
import { type JudgedWindow, minStableShare } from './analysis-window.ts';
import { canOutlast, type LiveSpan, liveSpanOf, type ShortInterval } from './short-intervals.ts';
import type { CanaryCounts, SliSums } from './sli-counts.ts';
import { comparedCounts, logStableEvidence } from './stable-baseline.ts';

/** One SLI of one CUJ, to be judged. */
export interface SliQuestion {
  readonly sli: SliName;
  readonly objective: Objective;
  readonly endpoints: readonly EndpointMeasurement[];
  readonly window: JudgedWindow;
  readonly recent: RecentBuckets | undefined;
  readonly policy: GatePolicy;
  /** How many SLIs share alpha. */
  readonly sliCount: number;
  /** The source has stopped before the window's end. */
  readonly isStale: boolean;
}

/** Natural logs of the evidence, and other inputs of the rules. */
export interface Evidence {
  readonly logCanary: number;
  /** Of each endpoint alone; ln 1 = 0 where it had no traffic. */
  readonly logAlone: readonly number[];
  readonly logStable: number;
  /** Over the compared minutes under a rule that compares, else over all of the window. */
  readonly logShare: number;
  /** What `logCanary` and `logShare` would be if the canary's requests in a short interval had not failed. */
  readonly logCanaryWithout: (interval: ShortInterval) => number;
  readonly logShareWithout: (interval: ShortInterval) => number;
  /** 1/alpha, and m/alpha where m SLIs share it. */
  readonly logOne: number;
  readonly thresholdInput: EvidenceThreshold;
  /** The canary's counts that the rule goes by: of the compared minutes, else of all of the window. */
  readonly counts: CanaryCounts;
  /**
   * Stable's rate of bad events in the compared minutes: a ratio, 0 where no minute is compared. Undefined under a rule that
   * does not compare.
   */
  readonly stableRate: number | undefined;
  /** What the upper bound is held against: the greater of the budget and `stableRate`. */
  readonly referenceRate: number;
}

/** `comparesStable`: the rule uses only the minutes with concurrent stable traffic. */
export function evidenceIn(
  sums: SliSums,
  { objective, policy, sliCount, window, recent }: SliQuestion,
  comparesStable: boolean,
): Evidence {
  const pooled = new EvidenceProcess(sums.n, objective.budget);
  // Over all endpoints, reached or not: a mean over those with traffic would rise when a clean one joins them, and the
  // chance of ever reaching 1/alpha would no longer be bounded by alpha.
  const logAlone = sums.endpoints.map((endpoint) => endpoint.process.log(endpoint.bad * endpoint.scale));
  const beside = comparesStable ? comparedCounts(sums, window) : undefined;
  const minStable = beside === undefined ? 0 : minStableShare;
  const shareLogs = shareLogsOf(sums.byService, window.first, window.end, minStable);
  const spans = sums.endpoints.map((endpoint) => liveSpanOf(endpoint, recent));
  const blips = { recent, minFaultMs: policy.minFaultMs ?? defaultMinFaultMs };
  return {
    logCanary: sums.total > 0 ? logMixture(pooled.log(sums.e), logAlone) : 0,
    logAlone,
    logStable: logStableEvidence(sums, window, objective, Math.log(1 / policy.falseAbort)),
    logShare: logMeanExp(shareLogs),
    logCanaryWithout(interval) {
      const left = sums.endpoints.map(({ bad }) => bad);
      for (const { endpoint, bad } of interval)
        left[endpoint] = Math.max(0, (left[endpoint] as number) - bad);
      let e = 0;
      const alone = sums.endpoints.map(({ process, scale, bad }, i) => {
        const weighed = (left[i] as number) * scale;
        e += weighed;
        return left[i] === bad ? (logAlone[i] as number) : process.log(weighed);
      });
      return logMixture(pooled.log(e), alone);
    },
    logShareWithout(interval) {
      const logs = shareLogs.slice();
      for (const { endpoint, minute, bad } of interval) {
        const { ofService, scale } = sums.endpoints[endpoint] as SliSums['endpoints'][number];
        withdrawCanaryBad(logs, ofService, minute, bad * scale, minStable);
      }
      return logMeanExp(logs);
    },
    logOne: Math.log(1 / policy.falseAbort),
    thresholdInput: {
      endpoints: sums.endpoints,
      pooled,
      threshold: sliCount / policy.falseAbort,
      minBadEvents,
      canOutlast: (hit) =>
        canOutlast(
          hit.map((i) => spans[i] as LiveSpan),
          blips,
        ),
    },
    counts: beside ?? sums,
    stableRate: beside?.stableRate,
    referenceRate: Math.max(objective.budget, beside?.stableRate ?? 0),
  };
}
