import { violates } from '../../registry/objective.ts';
import { ruleFacts } from '../../registry/rules.ts';
import { abortThresholdsOf } from '../abort-threshold.ts';
import { hasConcurrentStable } from '../stable-baseline.ts';
import { inconclusive, isDemonstrated, type Rule, step } from './rule.ts';
import {
  indistinguishable,
  insufficientTraffic,
  isPassOfLowTraffic,
  noData,
  statusMissing,
} from './steps.ts';

/** Fails a canary with more errors than a service on its SLO has; passes once the traffic rules out a fast burn. */
export const confidence: Rule = {
  steps: [
    noData,
    step(['within_noise', 'shared_cause', 'slo_violated'], ({ sums, evidence, question }) => {
      if (!confidence.hasEvidenceToFail(evidence)) return undefined;
      // It may be a blip, so it is no fail; and it is no pass.
      if (evidence.counts.badMinutes < ruleFacts.confidence.minBadMinutes)
        return inconclusive('within_noise');
      const { logStable, logShare, logOne } = evidence;
      return logStable >= logOne && logShare < logOne && hasConcurrentStable(sums, question.window)
        ? inconclusive('shared_cause')
        : { verdict: 'fail', reason: 'slo_violated' };
    }),
    statusMissing,
    insufficientTraffic,
    step(['within_noise'], ({ sums, question }) =>
      violates(question.objective, sums.total, sums.bad) ? inconclusive('within_noise') : undefined,
    ),
    indistinguishable,
    step(['insufficient_traffic', 'within_slo'], (context) => ({
      verdict: 'pass',
      reason: isPassOfLowTraffic(context) ? 'insufficient_traffic' : 'within_slo',
    })),
  ],
  comparesStable: false,
  highestBound: ({ ruleOutBurn }, referenceRate) => ruleOutBurn * referenceRate,
  hasEvidenceToFail: (evidence) => isDemonstrated(evidence.logCanary, evidence),
  abortThresholds: ({ evidence }) => abortThresholdsOf(evidence.line),
  mayPassAt: (objective, total, bad) => !violates(objective, total, bad),
  decidesBy: ({ evidence }) => ({ expected: 'a service meeting its SLO', value: evidence }),
  oneMinuteText: 'all in one minute',
};
