import { ruleFacts } from '../../registry/rules.ts';
import { inconclusive, isDemonstrated, type Rule } from './rule.ts';

/** Fails what is worse than stable in the same minutes: for services that live below their SLO. */
export const baseline: Rule = {
  comparesStable: true,
  // Stable may fail so much that its rate, many times over, would rule nothing out.
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
    // No number of requests would help. Nothing above failed it: that goes by the same minutes.
    if (evidence.counts.total <= 0) return inconclusive('canary_indistinguishable');
    const lowTraffic = !isTrafficEnough(0);
    if (lowTraffic && policy.onLowTraffic === 'inconclusive') return inconclusive('insufficient_traffic');
    if (window.indistinguishable !== undefined) return inconclusive('canary_indistinguishable');
    return { verdict: 'pass', reason: lowTraffic ? 'insufficient_traffic' : 'not_worse_than_stable' };
  },
  abortThresholds: ({ sums }) => ({ cuj: null, endpoints: sums.endpoints.map(() => null) }),
  mayPassAt: () => true,
  decidesBy: ({ shareEvidence }) => ({ name: 'share evidence', value: shareEvidence }),
  oneMinuteText: 'beside stable in one minute only',
};
