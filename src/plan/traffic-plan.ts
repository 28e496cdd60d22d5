import type { SideCounts } from '../domain/metrics/metrics-source.ts';
import type { RuleName } from '../domain/registry/rules.ts';
import type { SliName } from '../domain/sli/table.ts';
import type { Levels } from './levels.ts';
import type { PassNeed, Subject } from './projection.ts';

/** Traffic of whole services, whichever version served it; every bucket is an hour. */
export interface HourlyTraffic {
  /** Epoch ms, whole hours, whole days apart. */
  readonly fromMs: number;
  readonly toMs: number;
  /** By service; those that could not be asked for are absent. */
  readonly services: ReadonlyMap<string, SideCounts>;
}

/**
 * `always`: by day and in the quietest hour. `by_day`: not in the quietest hour. `unproven`: only because the CUJ has
 * onLowTraffic: pass. `never`: its window is too short for a pass. `unknown`: the query of its traffic failed.
 */
export type Judgeable = 'always' | 'by_day' | 'unproven' | 'never' | 'unknown';

/** A clean canary at one level of traffic. */
export interface WeightForecast {
  /**
   * From the switch to the weight until the gate can say pass, proven or with limited evidence, the lag of the data included;
   * null where nothing leads there.
   */
  readonly minutes: number | null;
  /** The failure rate that is ruled out by then, or at the end of the whole window, 0 to 1; 1 without requests. */
  readonly rulesOutRate: number;
  /** Whether that fits into what one measurement covers. */
  readonly fits: boolean;
  /**
   * Whether the gate says pass by the plan's `waitMinutes`: that pass, or one by onLowTraffic alone. A rollout does not wait for
   * a CUJ with mode: observe.
   */
  readonly inTime: boolean;
  /** Requests of the canary by then, or in the whole window, and the abort threshold there. */
  readonly requests: number;
  readonly failAtBadEvents: number | null;
  /** The abort threshold as a rate of the whole CUJ, 0 to 1, and as a multiple of the error budget. */
  readonly caughtRate: number | null;
  readonly caughtBurn: number | null;
}

export interface WeightPlan {
  /** Percent. */
  readonly weight: number;
  readonly judgeable: Judgeable;
  readonly median: WeightForecast;
  readonly quietest: WeightForecast;
}

/** One SLI of one CUJ, in a rollout of one of its services. */
export interface PlanEntry {
  readonly cuj: string;
  readonly service: string;
  readonly owner: string;
  readonly tier: 1 | 2 | 3;
  readonly mode: 'enforce' | 'observe';
  readonly sli: SliName;
  readonly rule: RuleName;
  /** Percent. */
  readonly objective: number;
  /** Good over all of the span, a ratio; null without requests. */
  readonly value: number | null;
  readonly requestsPerMinute: Levels;
  /** What a proven pass takes at least, in requests as Datadog counts them; null where requests alone do not lead there. */
  readonly cleanRequests: number | null;
  /** What a pass with limited evidence takes at least; null where there is none. */
  readonly limitedRequests: number | null;
  /** Maximum minutes of traffic that one measurement covers (maxWindow, or a fixed window). */
  readonly windowMinutes: number;
  readonly lagMinutes: number;
  /** Percent that would do, rounded up to whole ones; null where not even 100 does. */
  readonly minWeight: { readonly median: number | null; readonly quietest: number | null };
  /** As asked, the smallest first. */
  readonly weights: readonly WeightPlan[];
  /** What would help where the largest weight is not enough, or a pass comes too late with it; each a sentence. */
  readonly help: readonly string[];
  /** What else the traffic says. */
  readonly notes: readonly string[];
}

export interface TrafficPlan {
  readonly registryDigest: string;
  /** RFC 3339. */
  readonly from: string;
  readonly to: string;
  readonly days: number;
  /** How long an inline analysis step waits for the first of its passes, from the switch to the weight on. */
  readonly waitMinutes: number;
  readonly entries: readonly PlanEntry[];
  /** Names of enforced CUJs that can be judged at none of the weights. */
  readonly notJudgeable: readonly string[];
  /** Names of the other enforced CUJs that pass later than `waitMinutes` at each of the weights, in the median hour. */
  readonly late: readonly string[];
}

/** A subject with the traffic that it is said to have. */
export interface AssumedTraffic extends Subject {
  /** The hour of the day is known where traffic was measured. */
  readonly levels: Pick<Levels, 'median' | 'quietest'> & Partial<Levels>;
  readonly need: PassNeed;
}

/** A subject with the traffic that it had. */
export interface Measured extends AssumedTraffic {
  readonly levels: Levels;
  /** Of the requests that are known to be good or bad; null without any. */
  readonly value: number | null;
  /** The share of the others, 0 to 1. */
  readonly unclassified: number;
}
