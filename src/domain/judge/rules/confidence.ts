import { violates } from '../../registry/objective.ts';
import { ruleFacts } from '../../registry/rules.ts';
import { abortThresholdsOf } from '../abort-threshold.ts';
import { hasConcurrentStable } from '../stable-baseline.ts';
import { inconclusive, isDemonstrated, type Rule } from './rule.ts';

/** Fails a canary with more errors than a service on its SLO has; passes once the traffic rules out a fast burn. */
export const confidence: Rule = {
  comparesStable: false,
  highestBound: ({ ruleOutBurn }, referenceRate) => ruleOutBurn * referenceRate,
  hasEvidenceToFail: (evidence) => isDemonstrated(evidence.logCanary, evidence),
  decide({ sums, evidence, question, missingStatus, isTrafficEnough }) {
    const { objective, policy, window } = question;
    if (sums.total <= 0) return inconclusive('no_data');
    if (confidence.hasEvidenceToFail(evidence)) {
      // Bad events of one minute may be a blip: neither a fail nor a pass.
      if (evidence.counts.badMinutes < ruleFacts.confidence.minBadMinutes)
        return inconclusive('within_noise');
      const { logStable, logShare, logOne } = evidence;
      return logStable >= logOne && logShare < logOne && hasConcurrentStable(sums, window)
        ? inconclusive('shared_cause')
        : { verdict: 'fail', reason: 'slo_violated' };
    }
    if (missingStatus !== undefined) return inconclusive('status_missing');
    const lowTraffic = !isTrafficEnough(0);
    if (lowTraffic && policy.onLowTraffic === 'inconclusive') return inconclusive('insufficient_traffic');
    if (violates(objective, sums.total, sums.bad)) return inconclusive('within_noise');
    if (window.indistinguishable !== undefined) return inconclusive('canary_indistinguishable');
    return { verdict: 'pass', reason: lowTraffic ? 'insufficient_traffic' : 'within_slo' };
  },
  abortThresholds: ({ evidence }) => abortThresholdsOf(evidence.line),
  mayPassAt: (objective, total, bad) => !violates(objective, total, bad),
  decidesBy: ({ evidence }) => ({ expected: 'a service meeting its SLO', value: evidence }),
  oneMinuteText: 'all in one minute',
};
