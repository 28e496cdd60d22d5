import { reaches } from '../../src/domain/judge/abort-threshold.ts';
import { hasEvidenceToFail, inconclusive, type Rule, step } from '../../src/domain/judge/rules/rule.ts';
import {
  indistinguishable,
  insufficientTraffic,
  noData,
  statusMissing,
  unprovenReason,
} from '../../src/domain/judge/rules/steps.ts';
import type { Evidence } from '../../src/domain/judge/sli-evidence.ts';
import type { GatePolicy } from '../../src/domain/registry/model.ts';
import type { RuleFacts } from '../../src/domain/registry/rules.ts';

/** A rule for tests: fails a canary that has so many times stable's rate of bad events, by the counts alone. */

export const tripledFacts: RuleFacts = {
  needsLastingFault: false,
  usesUpperBound: false,
  belowObjective: 'compared',
};

function isTripled({ counts, stableRate = 0 }: Evidence, { ruleOutBurn }: GatePolicy): boolean {
  return reaches(counts.badSeen, 5) && counts.e > ruleOutBurn * stableRate * counts.n;
}

export const tripled: Rule = {
  steps: [
    noData,
    step(['status_missing', 'worse_than_stable'], ({ evidence, question, missingStatus }) => {
      if (!hasEvidenceToFail(tripled, evidence, question.policy)) return undefined;
      return missingStatus?.side === 'stable'
        ? inconclusive('status_missing')
        : { verdict: 'fail', reason: 'worse_than_stable' };
    }),
    statusMissing,
    step(['canary_indistinguishable'], ({ evidence }) =>
      evidence.counts.total <= 0 ? inconclusive('canary_indistinguishable') : undefined,
    ),
    insufficientTraffic,
    indistinguishable,
    step(['not_worse_than_stable', 'limited_evidence', 'insufficient_traffic'], (context) => ({
      verdict: 'pass',
      reason: context.isTrafficEnough(0) ? 'not_worse_than_stable' : unprovenReason(context),
    })),
  ],
  comparesStable: true,
  highestBound: () => undefined,
  logAgainst: (evidence, policy) => (isTripled(evidence, policy) ? Number.POSITIVE_INFINITY : 0),
  minLogAgainstWithout: undefined,
  abortThresholds: ({ sums }) => ({ cuj: null, endpoints: sums.endpoints.map(() => null) }),
  mayPassAt: () => true,
  decidesBy: { counts: ({ ruleOutBurn }) => `fails above ${ruleOutBurn} times the rate of stable` },
};
