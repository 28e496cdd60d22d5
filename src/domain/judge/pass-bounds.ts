import type { GatePolicy } from '../registry/model.ts';
import type { Objective } from '../registry/objective.ts';
import { rules } from './rules/table.ts';

/** Upper bounds of the rate of bad events, 0 to 1, that a pass asks for. Absent where the policy asks for none. */
export interface PassBounds {
  /** Of a proven pass. Absent as well under a rule that compares: there it depends on stable. */
  readonly proven?: number;
  /** Of a pass with limited evidence, after `passAfter`. */
  readonly limited?: number;
}

export function passBoundsOf(policy: GatePolicy, { budget }: Objective): PassBounds {
  const rule = rules[policy.rule];
  const proven = rule.comparesStable ? undefined : rule.highestBound(policy, budget);
  const hasLimited = rule.logAgainst !== undefined && policy.passAfterMs !== undefined;
  return {
    ...(proven === undefined ? {} : { proven }),
    ...(hasLimited && policy.rulesOutRate !== undefined ? { limited: policy.rulesOutRate } : {}),
  };
}
