import type { GatePolicy } from '../../registry/model.ts';
import type { Objective } from '../../registry/objective.ts';
import { type AbortThresholds, minBadEvents, reaches } from '../abort-threshold.ts';
import type { MissingStatus } from '../data-quality.ts';
import type { Judged, Outcome, Reason } from '../outcome.ts';
import type { SliSums } from '../sli-counts.ts';
import type { Evidence, SliQuestion } from '../sli-evidence.ts';

/** Everything that a rule decides on. */
export interface RuleContext {
  readonly sums: SliSums;
  readonly evidence: Evidence;
  readonly question: SliQuestion;
  /** Set where requests without a status keep the SLI, or what it is compared with, from being seen. */
  readonly missingStatus: MissingStatus | undefined;
  /** Whether `more` clean requests would be traffic enough for a pass, whatever the SLI is. */
  readonly isTrafficEnough: (more: number) => boolean;
}

/** The shown numbers of an SLI that a rule's words are about. */
interface ShownEvidence {
  readonly evidence: number;
  readonly shareEvidence: number;
  readonly evidenceThreshold: number;
}

/** A verdict with one of some reasons. */
type Decision<R extends Reason> = Judged & { readonly reason: R };

/** One step of a rule's definition in docs/verdicts.md. */
export interface Step {
  /** Everything that the step may decide, in the order in which the definition names it. */
  readonly reasons: readonly Reason[];
  /** Undefined where the step does not apply. */
  readonly decide: (context: RuleContext) => Judged | undefined;
}

/** A step whose function can only give the reasons that are listed. */
export function step<const R extends Reason>(
  reasons: readonly R[],
  decide: (context: RuleContext) => Decision<R> | undefined,
): Step {
  return { reasons, decide };
}

/** One way to reach a verdict. */
export interface Rule {
  /** The steps of docs/verdicts.md, in their order. The first one that applies decides, and the last one always applies. */
  readonly steps: readonly Step[];
  /** Whether it goes by the minutes with stable beside the canary, and by nothing else. */
  readonly comparesStable: boolean;
  /** The highest upper bound of the rate of bad events that passes; undefined: it asks for none. */
  readonly highestBound: (
    policy: Pick<GatePolicy, 'ruleOutBurn'>,
    referenceRate: number,
  ) => number | undefined;
  /** Whether the evidence that it fails by is there, how many minutes it spans aside. */
  readonly hasEvidenceToFail: (evidence: Evidence) => boolean;
  /** Where the verdict turns into a fail. */
  readonly abortThresholds: (context: RuleContext) => AbortThresholds;
  /** Whether so many bad events of so many keep an SLI from nothing but for lack of traffic. */
  readonly mayPassAt: (objective: Objective, total: number, bad: number) => boolean;
  /** The evidence that it decides by, and what it is called; undefined: it decides by the counts. */
  readonly decidesBy: ((shown: ShownEvidence) => { name: string; value: number }) | undefined;
  /** What is said of evidence to fail that lies in one minute. */
  readonly oneMinuteText: string;
}

export function inconclusive<R extends Reason>(reason: R): Decision<R> {
  return { verdict: 'inconclusive' satisfies Outcome, reason };
}

/** Takes a rule's steps in their order. */
export function decide({ steps }: Rule, context: RuleContext): Judged {
  for (const one of steps) {
    const decided = one.decide(context);
    if (decided !== undefined) return decided;
  }
  throw new TypeError('no step of the rule applies');
}

/** Evidence of at least m/alpha, from at least two bad events that were seen. */
export function isDemonstrated(log: number, { counts, line }: Evidence): boolean {
  return reaches(counts.badSeen, minBadEvents) && log >= Math.log(line.threshold);
}
