import type { GatePolicy } from '../../registry/model.ts';
import type { Objective } from '../../registry/objective.ts';
import { type AbortThresholds, minBadEvents, reaches } from '../abort-threshold.ts';
import type { MissingStatus } from '../data-quality.ts';
import type { Judged, Outcome, Reason } from '../outcome.ts';
import type { SliSums } from '../sli-counts.ts';
import type { Evidence, SliQuestion } from '../sli-evidence.ts';

/** The input of a rule. */
export interface RuleContext {
  readonly sums: SliSums;
  readonly evidence: Evidence;
  readonly question: SliQuestion;
  /** Set where the SLI, or what it is compared with, is unknown because requests have no status. */
  readonly missingStatus: MissingStatus | undefined;
  /** Whether the traffic would be enough for a pass with `more` clean requests, regardless of the SLI. */
  readonly isTrafficEnough: (more: number) => boolean;
}

/** The numbers of an SLI that a rule's texts explain. */
interface ShownEvidence {
  readonly evidence: number;
  readonly shareEvidence: number;
  readonly evidenceThreshold: number;
}

/** One way to reach a verdict. The order of the checks in `decide` is the order of the steps in docs/verdicts.md. */
export interface Rule {
  /** Whether it uses only the minutes that have traffic of canary and stable. */
  readonly comparesStable: boolean;
  /** The highest upper bound of the rate of bad events that passes; undefined: the rule has no such limit. */
  readonly highestBound: (
    policy: Pick<GatePolicy, 'ruleOutBurn'>,
    referenceRate: number,
  ) => number | undefined;
  /** Whether the evidence is enough for a fail, regardless of how many minutes it spans. */
  readonly hasEvidenceToFail: (evidence: Evidence) => boolean;
  readonly decide: (context: RuleContext) => Judged;
  /** The numbers of bad events at which the verdict becomes a fail. */
  readonly abortThresholds: (context: RuleContext) => AbortThresholds;
  /** Whether an SLI with these counts may pass once it has enough traffic. */
  readonly mayPassAt: (objective: Objective, total: number, bad: number) => boolean;
  /**
   * The evidence that it decides by, and what that is evidence against: a release of which `expected` is true. Undefined:
   * it decides by the counts.
   */
  readonly decidesBy: ((shown: ShownEvidence) => { expected: string; value: number }) | undefined;
  /** How the summary describes evidence for a fail that lies in one minute. */
  readonly oneMinuteText: string;
}

export function inconclusive(reason: Reason): Judged {
  return { verdict: 'inconclusive' satisfies Outcome, reason };
}

/** Whether the evidence is at least m/alpha and comes from at least two bad events that were observed. */
export function isDemonstrated(log: number, { counts, line }: Evidence): boolean {
  return reaches(counts.badSeen, minBadEvents) && log >= Math.log(line.threshold);
}
