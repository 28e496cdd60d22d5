import type { SourceErrorCode } from '../errors.ts';

export type Outcome = 'pass' | 'fail' | 'inconclusive';

/** Why a verdict is what it is. A closed set: dashboards and alerts are built on it. */
export type Reason =
  | 'within_slo'
  | 'not_worse_than_stable'
  | 'slo_violated'
  | 'worse_than_stable'
  | 'no_data'
  | 'insufficient_traffic'
  | 'limited_evidence'
  | 'within_noise'
  | 'shared_cause'
  | 'canary_indistinguishable'
  | 'canary_restarting'
  | 'endpoint_unreached'
  | 'status_missing'
  | 'threshold_unmet'
  | 'source_stale'
  | 'clock_skew'
  | 'observe_only'
  | 'no_enforced_cujs'
  | 'retired'
  | SourceErrorCode;

/** Hits of the whole services: both sides over all that was queried, and of the newest minutes what neither selector matches. */
export interface Traffic {
  readonly canary: number;
  readonly stable: number;
  /** Absent where stable is the rest. */
  readonly unmatchedRecently?: number;
}

/** Data that has stopped, for canary and stable alike. */
export interface VerdictStaleData {
  /** Services of the CUJ whose data it is. */
  readonly services: readonly string[];
  /** RFC 3339: the end of the newest minute that has any request. */
  readonly newest: string;
  /** Minimum age of that data: until `window.to`, and the lag of the CUJ. */
  readonly ageSeconds: number;
}

const severity: Readonly<Record<Outcome, number>> = { fail: 0, inconclusive: 1, pass: 2 };

/** Negative where `a` is worse. For sorting worst first. */
export function compareOutcomes(a: Outcome, b: Outcome): number {
  return severity[a] - severity[b];
}

/**
 * Reasons from the worst to the best, for SLIs and CUJs with the same outcome. A doubt about the data goes before a lack of
 * traffic, and a pass because of `onLowTraffic` before one that is proven.
 */
const reasonOrder: readonly Reason[] = [
  'slo_violated',
  'worse_than_stable',
  'clock_skew',
  'source_stale',
  'shared_cause',
  'status_missing',
  'threshold_unmet',
  'canary_indistinguishable',
  'canary_restarting',
  'endpoint_unreached',
  'within_noise',
  'insufficient_traffic',
  'no_data',
  'limited_evidence',
  'not_worse_than_stable',
  'within_slo',
];

/** What was found, and why. */
export interface Judged {
  readonly verdict: Outcome;
  readonly reason: Reason;
}

/** Negative where `a` is worse, by outcome and then by reason. Of inconclusive ones, failures of the source are the worst. */
export function compareJudged(a: Judged, b: Judged): number {
  return (
    compareOutcomes(a.verdict, b.verdict) || reasonOrder.indexOf(a.reason) - reasonOrder.indexOf(b.reason)
  );
}
