import { minViolation, violates } from '../../registry/objective.ts';
import { reaches } from '../abort-threshold.ts';
import { inconclusive, type Rule, type RuleContext, step } from './rule.ts';
import { canaryRestarting, endpointUnreached, indistinguishable, noData, statusMissing } from './steps.ts';

function isBelow({ sums, question }: RuleContext): boolean {
  return violates(question.objective, sums.total, sums.bad);
}

/** Fails by the counts and the objective alone. */
export const strict: Rule = {
  steps: [
    noData,
    step(['insufficient_traffic'], (context) =>
      (isBelow(context) || context.question.policy.onLowTraffic === 'inconclusive') &&
      !context.isTrafficEnough(0)
        ? inconclusive('insufficient_traffic')
        : undefined,
    ),
    step(['slo_violated'], (context) =>
      isBelow(context) ? { verdict: 'fail', reason: 'slo_violated' } : undefined,
    ),
    statusMissing,
    indistinguishable,
    canaryRestarting,
    endpointUnreached,
    step(['insufficient_traffic', 'within_slo'], (context) => ({
      verdict: 'pass',
      reason: context.isTrafficEnough(0) ? 'within_slo' : 'insufficient_traffic',
    })),
  ],
  comparesStable: false,
  highestBound: () => undefined,
  logAgainst: undefined,
  minLogAgainstWithout: undefined,
  abortThresholds({ sums, question: { objective, policy } }) {
    const failAt = reaches(sums.totalSeen, policy.minRequests)
      ? (minViolation(objective, sums.total) ?? null)
      : null;
    return {
      cuj: failAt,
      endpoints: sums.endpoints.map(({ total }) => (failAt !== null && failAt <= total ? failAt : null)),
    };
  },
  mayPassAt: (objective, total, bad) => !violates(objective, total, bad),
  decidesBy: { counts: () => 'fails below the objective' },
};
