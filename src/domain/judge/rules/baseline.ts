import { ruleFacts } from '../../registry/rules.ts';
import { inconclusive, isDemonstrated, type Rule } from './rule.ts';

/** Fails a canary that is worse than stable in the same minutes: for services that are always below their SLO. */
export const baseline: Rule = {
  comparesStable: true,
  // A multiple of stable's rate may exceed 1, and would then rule nothing out.
  highestBound: ({ ruleOutBurn }, referenceRate) =>
    Math.min(ruleOutBurn * referenceRate, (1 + referenceRate) / 2),
  hasEvidenceToFail: (evidence) => isDemonstrated(evidence.logShare, evidence),
  decide({ sums, evidence, question, missingStatus, isTrafficEnough }) {
    const { policy, window } = question;
    if (sums.total <= 0) return inconclusive('no_data');
    if (baseline.hasEvidenceToFail(evidence)) {
      if (evidence.counts.badMinutes < ruleFacts.baseline.minBadMinutes) return inconclusive('within_noise');
      return missingStatus?.side === 'stable'
        ? inconclusive('status_missing')
        : { verdict: 'fail', reason: 'worse_than_stable' };
    }
    if (missingStatus?.side === 'canary') return inconclusive('status_missing');
    // Without minutes to compare, more requests of the canary do not help.
    if (evidence.counts.total <= 0) return inconclusive('canary_indistinguishable');
    const lowTraffic = !isTrafficEnough(0);
    if (lowTraffic && policy.onLowTraffic === 'inconclusive') return inconclusive('insufficient_traffic');
    if (window.indistinguishable !== undefined) return inconclusive('canary_indistinguishable');
    return { verdict: 'pass', reason: lowTraffic ? 'insufficient_traffic' : 'not_worse_than_stable' };
  },
  abortThresholds: ({ sums }) => ({ cuj: null, endpoints: sums.endpoints.map(() => null) }),
  mayPassAt: () => true,
  decidesBy: ({ shareEvidence }) => ({ expected: 'a canary no worse than stable', value: shareEvidence }),
  oneMinuteText: 'all in one minute that has traffic of stable',
};
