import type { GatePolicy } from '../../registry/model.ts';
import type { Objective } from '../../registry/objective.ts';
import { type AbortThresholds, minBadEvents, noiseEvidence, reaches } from '../abort-threshold.ts';
import type { MissingStatus, Unreached } from '../data-quality.ts';
import type { Judged, Outcome, Reason } from '../outcome.ts';
import type { ShortInterval } from '../short-intervals.ts';
import type { SliSums } from '../sli-counts.ts';
import type { Evidence, SliQuestion } from '../sli-evidence.ts';

/** The input of a rule. */
export interface RuleContext {
  readonly sums: SliSums;
  readonly evidence: Evidence;
  readonly question: SliQuestion;
  /** Set where requests without a status may hide failures of the canary, or of stable that it is compared with. */
  readonly missingStatus: MissingStatus | undefined;
  /** Endpoints on which the canary should have had requests, and had none. */
  readonly unreached: readonly Unreached[];
  /**
   * Natural log of the least evidence against the canary that remains with any one interval shorter than `minFaultDuration` left
   * out. Undefined where there is not enough evidence to fail.
   */
  readonly logSustained: number | undefined;
  /** Whether the traffic would be enough for a pass with `more` clean requests, regardless of the SLI. */
  readonly isTrafficEnough: (more: number) => boolean;
  /** Whether a limited pass is due, where no step before it decides otherwise. */
  readonly isLimitedPass: boolean;
  /** Whether the cause of what the canary failed lies outside the release, by what stable fails. */
  readonly isCauseShared: () => boolean;
}

/** The numbers of an SLI verdict that `decidesBy.evidence` may use. */
interface ShownEvidence {
  readonly evidence: number;
  readonly shareEvidence: number;
  readonly evidenceThreshold: number;
}

/** What a fail is found by, for people: evidence, or the counts alone. */
type DecidesBy =
  | {
      /** The evidence, and what it is evidence against: a release of which `expected` is true. */
      readonly evidence: (shown: ShownEvidence) => { expected: string; value: number };
      readonly counts?: undefined;
    }
  | {
      /** When it fails, as the end of a sentence that names the rule: `fails below the objective`. */
      readonly counts: (policy: GatePolicy) => string;
      readonly evidence?: undefined;
    };

/** A verdict with one of some reasons. */
type Decision<R extends Reason> = Judged & { readonly reason: R };

/** One step of a rule's definition in docs/verdicts-reference.md. */
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
  /** The steps of docs/verdicts-reference.md, in their order. The first one that applies decides, and the last one always applies. */
  readonly steps: readonly Step[];
  /** Whether it uses only the compared minutes, in which stable has traffic beside the canary. */
  readonly comparesStable: boolean;
  /** The highest upper bound of the rate of bad events that passes. Undefined: a pass needs no bound. */
  readonly highestBound: (
    policy: Pick<GatePolicy, 'ruleOutBurn' | 'rulesOutRate'>,
    referenceRate: number,
  ) => number | undefined;
  /** The natural log of the evidence against the canary that it decides by. Undefined: it decides by counts. */
  readonly logAgainst: ((evidence: Evidence, policy: GatePolicy) => number) | undefined;
  /** The least of the same if the canary's requests in one of some short intervals had not failed. */
  readonly minLogAgainstWithout:
    | ((evidence: Evidence, intervals: readonly ShortInterval[]) => number)
    | undefined;
  /** The numbers of bad events at which the verdict becomes a fail. */
  readonly abortThresholds: (context: RuleContext) => AbortThresholds;
  /** Whether these counts would pass if there were enough traffic. */
  readonly mayPassAt: (objective: Objective, total: number, bad: number) => boolean;
  readonly decidesBy: DecidesBy;
}

/** Whether a rule keeps what stable fails as well from being held against the canary. */
export function knowsSharedCauses({ steps }: Rule): boolean {
  return steps.some(({ reasons }) => reasons.includes('shared_cause'));
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

/**
 * Whether there is evidence to fail, however short the fault was: at least m/alpha, from at least two bad events
 * that were seen.
 */
export function hasEvidenceToFail({ logAgainst }: Rule, evidence: Evidence, policy: GatePolicy): boolean {
  return (
    logAgainst !== undefined &&
    reaches(evidence.counts.badSeen, minBadEvents) &&
    logAgainst(evidence, policy) >= Math.log(evidence.thresholdInput.threshold)
  );
}

/** Whether there is no more than noise outside one interval shorter than `minFaultDuration`: it may be a blip. */
export function isBlip({ logSustained }: RuleContext): boolean {
  return logSustained !== undefined && logSustained <= Math.log(noiseEvidence);
}
