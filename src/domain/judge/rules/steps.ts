import { inconclusive, type RuleContext, step } from './rule.ts';

/** Steps that more than one rule takes. */

/** The canary has no requests. */
export const noData = step(['no_data'], ({ sums }) =>
  sums.total <= 0 ? inconclusive('no_data') : undefined,
);

/** Requests of the canary without a status hide what fails among them. */
export const statusMissing = step(['status_missing'], ({ missingStatus }) =>
  missingStatus?.side === 'canary' ? inconclusive('status_missing') : undefined,
);

/** Traffic is too little for a pass. Under `onLowTraffic: pass` it does not decide. */
export const insufficientTraffic = step(['insufficient_traffic'], ({ question, isTrafficEnough }) =>
  question.policy.onLowTraffic === 'inconclusive' && !isTrafficEnough(0)
    ? inconclusive('insufficient_traffic')
    : undefined,
);

/** Canary and stable cannot be told apart. */
export const indistinguishable = step(['canary_indistinguishable'], ({ question }) =>
  question.window.indistinguishable === undefined ? undefined : inconclusive('canary_indistinguishable'),
);

/** Whether a pass rests on `onLowTraffic` alone. Precondition: without it, too little traffic was decided before. */
export function isPassOfLowTraffic({ question, isTrafficEnough }: RuleContext): boolean {
  return question.policy.onLowTraffic === 'pass' && !isTrafficEnough(0);
}
