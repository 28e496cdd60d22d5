import type { GatePolicy, Service } from '../registry/model.ts';
import { upperBoundIsAtMost } from '../statistics/clopper-pearson.ts';
import { reaches, requestsUntil } from './abort-threshold.ts';
import { rules } from './rules/table.ts';

/** Traffic, as the formulas use it. */
export interface SeenTraffic {
  /** Requests seen: counted × sample rate. */
  readonly seen: number;
  /** n and e of the formulas: thinned by the sample rate and the dispersion. */
  readonly n: number;
  readonly e: number;
}

/**
 * Whether traffic is enough for a pass, whatever the SLI is: `minRequests` of it, and a 95% upper bound of its rate of bad
 * events that the rule lets pass. `referenceRate` is the error budget, or what stable does.
 */
export function isTrafficEnough(
  { seen, n, e }: SeenTraffic,
  policy: Pick<GatePolicy, 'rule' | 'minRequests' | 'ruleOutBurn' | 'rulesOutRate'>,
  referenceRate: number,
): boolean {
  if (!reaches(seen, policy.minRequests)) return false;
  const highest = rules[policy.rule].highestBound(policy, referenceRate);
  return highest === undefined || upperBoundIsAtMost(n, e, highest);
}

/** Whether traffic is enough for a limited pass: `minRequests`, and an upper bound of at most `rulesOutRate`. */
export function isTrafficForLimitedPass(
  { seen, n, e }: SeenTraffic,
  { minRequests, rulesOutRate }: Pick<GatePolicy, 'minRequests' | 'rulesOutRate'>,
): boolean {
  return rulesOutRate !== undefined && reaches(seen, minRequests) && upperBoundIsAtMost(n, e, rulesOutRate);
}

/** Clean requests, as the source counts them, that a pass takes; Infinity where no number leads there. */
export interface RequiredRequests {
  readonly proven: number;
  /** With limited evidence, after `passAfterMs`. */
  readonly limited: number;
}

export function requestsToPass(
  policy: Pick<
    GatePolicy,
    'rule' | 'minRequests' | 'ruleOutBurn' | 'passAfterMs' | 'rulesOutRate' | 'window' | 'maxWindowMs'
  >,
  budget: number,
  { sampleRate, dispersion = 1 }: Pick<Service, 'sampleRate' | 'dispersion'> = {
    sampleRate: 1,
    dispersion: 1,
  },
): RequiredRequests {
  const minRequestsFor = (isEnough: (traffic: SeenTraffic) => boolean) =>
    requestsUntil((requests) => {
      const seen = requests * sampleRate;
      return requests > 0 && isEnough({ seen, n: seen / dispersion, e: 0 });
    }) ?? Number.POSITIVE_INFINITY;
  const hasLimited =
    rules[policy.rule].logAgainst !== undefined &&
    policy.passAfterMs !== undefined &&
    policy.passAfterMs <= policy.maxWindowMs &&
    policy.window === 'rollout';
  return {
    proven: minRequestsFor((traffic) => isTrafficEnough(traffic, policy, budget)),
    limited: hasLimited
      ? minRequestsFor((traffic) => isTrafficForLimitedPass(traffic, policy))
      : Number.POSITIVE_INFINITY,
  };
}
