import { bucketMs, type EndpointMeasurement, type RecentBuckets } from '../metrics/metrics-source.ts';
import { defaultMinFaultMs, type GatePolicy } from '../registry/model.ts';
import type { Objective } from '../registry/objective.ts';
import type { SliName } from '../sli/table.ts';
import { logMeanExp } from '../statistics/log-mean-exp.ts';
import { minuteWeight } from '../statistics/restartable-evidence.ts';
import { shareLogsOf, withdrawCanaryBad } from '../statistics/share-test.ts';
import { type EvidenceThreshold, minBadEvents } from './abort-threshold.ts';
import { type JudgedWindow, minStableShare } from './analysis-window.ts';
import { CanaryEvidence } from './canary-evidence.ts';
import type { ServiceIncident } from './service-incident.ts';
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
  /** When stable of the services had an incident; absent where that is not known. */
  readonly incident?: ServiceIncident;
}

/** Natural logs of the evidence, and other inputs of the rules. */
export interface Evidence {
  readonly logCanary: number;
  /** Of each endpoint alone; ln 1 = 0 where it had no traffic. */
  readonly logAlone: readonly number[];
  readonly logStable: number;
  /** Over the compared minutes under a rule that compares, else over all of the window. */
  readonly logShare: number;
  /** The least that `logCanary` and `logShare` would be if the canary's requests in one of some short intervals had not failed. */
  readonly minLogCanaryWithout: (intervals: readonly ShortInterval[]) => number;
  readonly minLogShareWithout: (intervals: readonly ShortInterval[]) => number;
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
  const { first, end } = window;
  const weight = minuteWeight(Math.ceil(policy.maxWindowMs / bucketMs), end - first);
  const canary = new CanaryEvidence(sums, window, objective.budget, weight);
  const beside = comparesStable ? comparedCounts(sums, window) : undefined;
  const minStable = beside === undefined ? 0 : minStableShare;
  const shareLogs = shareLogsOf(sums.byService, first, end, minStable);
  const spans = sums.endpoints.map((endpoint) => liveSpanOf(endpoint, recent));
  const blips = { recent, minFaultMs: policy.minFaultMs ?? defaultMinFaultMs };
  return {
    logCanary: canary.log,
    logAlone: canary.logAlone,
    logStable: logStableEvidence(sums, window, objective, Math.log(1 / policy.falseAbort)),
    logShare: logMeanExp(shareLogs),
    minLogCanaryWithout: (intervals) => canary.minWithout(intervals),
    minLogShareWithout(intervals) {
      let least = Number.POSITIVE_INFINITY;
      for (const interval of intervals) {
        const logs = shareLogs.slice();
        for (const { endpoint, minute, bad } of interval) {
          const { ofService, scale } = sums.endpoints[endpoint] as SliSums['endpoints'][number];
          withdrawCanaryBad(logs, ofService, minute, bad * scale, minStable);
        }
        least = Math.min(least, logMeanExp(logs));
      }
      return least;
    },
    logOne: Math.log(1 / policy.falseAbort),
    thresholdInput: {
      endpoints: sums.endpoints,
      pooled: canary.pooled,
      threshold: sliCount / policy.falseAbort,
      minBadEvents,
      canOutlast: (hit) =>
        canOutlast(
          hit.map((i) => spans[i] as LiveSpan),
          blips,
        ),
      minRestartable: canary.minRestartable,
    },
    counts: beside ?? sums,
    stableRate: beside?.stableRate,
    referenceRate: Math.max(objective.budget, beside?.stableRate ?? 0),
  };
}
