import { violates } from '../../registry/objective.ts';
import { abortThresholdsOf } from '../abort-threshold.ts';
import { hasEvidenceToFail, inconclusive, isBlip, type Rule, type RuleContext, step } from './rule.ts';
import {
  canaryRestarting,
  endpointUnreached,
  indistinguishable,
  insufficientTraffic,
  noData,
  statusMissing,
  unprovenReason,
} from './steps.ts';

function isBelow({ sums, question }: RuleContext): boolean {
  return violates(question.objective, sums.total, sums.bad);
}

/** Fails a canary with more errors than a service on its SLO has; passes once the traffic rules out a fast burn. */
export const confidence: Rule = {
  steps: [
    noData,
    step(['within_noise', 'shared_cause', 'slo_violated'], (context) => {
      const { evidence, question } = context;
      if (!hasEvidenceToFail(confidence, evidence, question.policy)) return undefined;
      // No fail, and no pass either.
      if (isBlip(context)) return inconclusive('within_noise');
      return context.isCauseShared()
        ? inconclusive('shared_cause')
        : { verdict: 'fail', reason: 'slo_violated' };
    }),
    statusMissing,
    insufficientTraffic,
    step(['within_noise'], (context) =>
      isBelow(context) && !context.isLimitedPass ? inconclusive('within_noise') : undefined,
    ),
    indistinguishable,
    canaryRestarting,
    endpointUnreached,
    step(['within_slo', 'limited_evidence', 'insufficient_traffic'], (context) => ({
      verdict: 'pass',
      reason: context.isTrafficEnough(0) && !isBelow(context) ? 'within_slo' : unprovenReason(context),
    })),
  ],
  comparesStable: false,
  // At a low objective a multiple of the budget rules nothing out.
  highestBound: ({ ruleOutBurn, rulesOutRate = 1 }, referenceRate) =>
    Math.min(ruleOutBurn * referenceRate, Math.max(rulesOutRate, 2 * referenceRate)),
  logAgainst: ({ logCanary }) => logCanary,
  minLogAgainstWithout: ({ minLogCanaryWithout }, intervals) => minLogCanaryWithout(intervals),
  abortThresholds: ({ evidence }) => abortThresholdsOf(evidence.thresholdInput),
  mayPassAt: (objective, total, bad) => !violates(objective, total, bad),
  decidesBy: { evidence: ({ evidence }) => ({ expected: 'a service meeting its SLO', value: evidence }) },
};
