import { minuteMs } from '../duration.ts';

/** What the registry and the commands must know of a rule. How it judges is in judge/rules/. */
export interface RuleFacts {
  /** Whether a fault must last for `minFaultDuration` to fail. In a shorter window nothing can fail then. */
  readonly needsLastingFault: boolean;
  /** Whether a pass asks for an upper bound of the rate of bad events (`ruleOutBurn`). */
  readonly usesUpperBound: boolean;
  /** What an SLI below its objective is, where nothing else decides. `compared` (with stable): it may pass. */
  readonly belowObjective: 'fail' | 'within_noise' | 'compared';
}

/** The rules by name, as the registry writes them. */
export const ruleFacts = {
  confidence: { needsLastingFault: true, usesUpperBound: true, belowObjective: 'within_noise' },
  strict: { needsLastingFault: false, usesUpperBound: false, belowObjective: 'fail' },
  baseline: { needsLastingFault: true, usesUpperBound: true, belowObjective: 'compared' },
} as const satisfies Record<string, RuleFacts>;

export type RuleName = keyof typeof ruleFacts;

export const ruleNames = Object.keys(ruleFacts) as readonly RuleName[];

/**
 * The shortest window, in whole minutes, in which the rule can fail: it holds two bad events that no interval shorter than
 * `minFaultMs` touches both of, also where data comes in minutes.
 */
export function minWindowMsOf(rule: RuleName, minFaultMs: number): number {
  if (!ruleFacts[rule].needsLastingFault) return minuteMs;
  return (Math.ceil(blipReachMs(minFaultMs, minuteMs) / minuteMs) + 2) * minuteMs;
}

/**
 * An interval shorter than `minFaultMs` touches buckets of which the last one begins less than this after the first one ends.
 * `stepMs` is the length of the shortest buckets. Where they are at least twice as long as `minFaultMs`, it is taken to lie in one:
 * such an interval lies across two of them in half of the cases or fewer.
 */
export function blipReachMs(minFaultMs: number, stepMs: number): number {
  return minFaultMs <= stepMs / 2 ? 0 : minFaultMs;
}
