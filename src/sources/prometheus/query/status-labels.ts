import { type LabelMatcher, matcherTest } from './label-matchers.ts';
import { badMatchers, type CounterSource } from './source-template.ts';

/** The labels without which a series looks good whatever happened: those that matchers of bad events need. */
export function statusLabelsOf(source: Pick<CounterSource, 'total' | 'bad'>): string[] {
  return badMatchers(source)
    .filter(needsLabel)
    .map(({ label }) => label);
}

function needsLabel(matcher: LabelMatcher): boolean {
  return !matcher.operator.startsWith('!') && !matcherTest(matcher)({});
}
