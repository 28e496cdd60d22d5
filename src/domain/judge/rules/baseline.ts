import { hasEvidenceToFail, inconclusive, isBlip, type Rule, step } from './rule.ts';
import {
  canaryRestarting,
  endpointUnreached,
  indistinguishable,
  insufficientTraffic,
  noData,
  statusMissing,
  unprovenReason,
} from './steps.ts';

/** Fails a canary that is worse than stable in the same minutes: for services that are always below their SLO. */
export const baseline: Rule = {
  steps: [
    noData,
    step(['within_noise', 'status_missing', 'worse_than_stable'], (context) => {
      const { evidence, question, missingStatus } = context;
      if (!hasEvidenceToFail(baseline, evidence, question.policy)) return undefined;
      if (isBlip(context)) return inconclusive('within_noise');
      return missingStatus?.side === 'stable'
        ? inconclusive('status_missing')
        : { verdict: 'fail', reason: 'worse_than_stable' };
    }),
    statusMissing,
    // No number of requests would help. Step 2 goes by the same minutes, so it did not apply.
    step(['canary_indistinguishable'], ({ evidence }) =>
      evidence.counts.total <= 0 ? inconclusive('canary_indistinguishable') : undefined,
    ),
    insufficientTraffic,
    indistinguishable,
    canaryRestarting,
    endpointUnreached,
    step(['not_worse_than_stable', 'limited_evidence', 'insufficient_traffic'], (context) => ({
      verdict: 'pass',
      reason: context.isTrafficEnough(0) ? 'not_worse_than_stable' : unprovenReason(context),
    })),
  ],
  comparesStable: true,
  // Stable may fail so often that a multiple of its rate rules nothing out.
  highestBound: ({ ruleOutBurn }, referenceRate) =>
    Math.min(ruleOutBurn * referenceRate, (1 + referenceRate) / 2),
  logAgainst: ({ logShare }) => logShare,
  minLogAgainstWithout: ({ minLogShareWithout }, intervals) => minLogShareWithout(intervals),
  abortThresholds: ({ sums }) => ({ cuj: null, endpoints: sums.endpoints.map(() => null) }),
  mayPassAt: () => true,
  decidesBy: {
    evidence: ({ shareEvidence }) => ({ expected: 'a canary no worse than stable', value: shareEvidence }),
  },
};
