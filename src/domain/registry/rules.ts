/** What the registry and the commands must know of a rule. How it judges is in judge/rules/. */
export interface RuleFacts {
  /** Minutes with bad events that a fail takes: in a shorter window nothing can fail. */
  readonly minBadMinutes: number;
  /** Whether a pass asks for an upper bound of the rate of bad events (`ruleOutBurn`). */
  readonly usesUpperBound: boolean;
  /** What an SLI below its objective is, where nothing else decides. `compared` (with stable): it may pass. */
  readonly belowObjective: 'fail' | 'within_noise' | 'compared';
}

/** The rules by name, as the registry writes them. */
export const ruleFacts = {
  confidence: { minBadMinutes: 2, usesUpperBound: true, belowObjective: 'within_noise' },
  strict: { minBadMinutes: 1, usesUpperBound: false, belowObjective: 'fail' },
  baseline: { minBadMinutes: 2, usesUpperBound: true, belowObjective: 'compared' },
} as const satisfies Record<string, RuleFacts>;

export type RuleName = keyof typeof ruleFacts;

export const ruleNames = Object.keys(ruleFacts) as readonly RuleName[];
