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

/** Traffic is too little for a pass, and no limited pass is due. Under `onLowTraffic: pass` it does not decide. */
export const insufficientTraffic = step(
  ['insufficient_traffic'],
  ({ question, isTrafficEnough, isLimitedPass }) =>
    question.policy.onLowTraffic === 'inconclusive' && !isTrafficEnough(0) && !isLimitedPass
      ? inconclusive('insufficient_traffic')
      : undefined,
);

/** Canary and stable cannot be told apart. */
export const indistinguishable = step(['canary_indistinguishable'], ({ question }) =>
  question.window.indistinguishable === undefined ? undefined : inconclusive('canary_indistinguishable'),
);

/** The canary goes silent and comes back, so each attempt by itself proves nothing. */
export const canaryRestarting = step(['canary_restarting'], ({ question }) =>
  question.window.attempts === undefined ? undefined : inconclusive('canary_restarting'),
);

/** The canary has no request on an endpoint that should have some: a lost route, which no counted request shows. */
export const endpointUnreached = step(['endpoint_unreached'], (context) =>
  isBlockedByUnreached(context) ? inconclusive('endpoint_unreached') : undefined,
);

/** Whether no pass is possible while an endpoint is not reached. */
export function isBlockedByUnreached({ question, unreached }: RuleContext): boolean {
  return question.policy.onUnreached === 'inconclusive' && unreached.length > 0;
}

/** The reason of a pass that is not proven: a limited one, or one that rests on `onLowTraffic` alone. */
export function unprovenReason({ isLimitedPass }: RuleContext): 'limited_evidence' | 'insufficient_traffic' {
  return isLimitedPass ? 'limited_evidence' : 'insufficient_traffic';
}
