import type { RuleName } from '../../registry/rules.ts';
import { baseline } from './baseline.ts';
import { confidence } from './confidence.ts';
import type { Rule } from './rule.ts';
import { strict } from './strict.ts';

/** All rules by the name that the registry uses. */
export const rules: Readonly<Record<RuleName, Rule>> = { confidence, strict, baseline };
