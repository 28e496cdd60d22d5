import { minViolation, violates } from '../../registry/objective.ts';
import { reaches } from '../abort-threshold.ts';
import { inconclusive, type Rule } from './rule.ts';

/** Fails by the counts and the objective alone. */
export const strict: Rule = {
  comparesStable: false,
  highestBound: () => undefined,
  hasEvidenceToFail: () => false,
  decide({ sums, question, missingStatus, isTrafficEnough }) {
    const { objective, policy, window } = question;
    if (sums.total <= 0) return inconclusive('no_data');
    const below = violates(objective, sums.total, sums.bad);
    const lowTraffic = !isTrafficEnough(0);
    if (lowTraffic && (below || policy.onLowTraffic === 'inconclusive')) {
      return inconclusive('insufficient_traffic');
    }
    if (below) return { verdict: 'fail', reason: 'slo_violated' };
    if (missingStatus !== undefined) return inconclusive('status_missing');
    if (window.indistinguishable !== undefined) return inconclusive('canary_indistinguishable');
    return { verdict: 'pass', reason: lowTraffic ? 'insufficient_traffic' : 'within_slo' };
  },
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
  decidesBy: undefined,
  oneMinuteText: 'all in one minute',
};
