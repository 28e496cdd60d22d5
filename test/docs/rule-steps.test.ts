import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { rules } from '../../src/domain/judge/rules/table.ts';
import { ruleNames } from '../../src/domain/registry/rules.ts';
import { reasons } from '../../src/http/openapi/verdict-schemas.ts';

/** The steps of each rule are those of docs/verdicts-reference.md, in their order. */

const page = readFileSync(new URL('../../docs/verdicts-reference.md', import.meta.url), 'utf8');

/** The reasons that each numbered step of a rule names, each once. */
function stepsOfPage(rule: string): string[][] {
  const [, section = ''] = new RegExp(`\n## The rule \`${rule}\`\n([^]*?)\n## `).exec(page) ?? [];
  const items = section.split(/^(?=\d+\. )/m).slice(1);
  expect(items.map((item) => Number.parseInt(item, 10))).toEqual(items.map((_, i) => i + 1));
  // The last item ends with its paragraph.
  return items.map((item) => {
    const [text = ''] = item.split(/\n\n/);
    const named = [...text.matchAll(/`(\w+)`/g)].map(([, name]) => name as string);
    return [...new Set(named.filter((name) => (reasons as readonly string[]).includes(name)))];
  });
}

describe.each(ruleNames)('the rule %s', (name) => {
  it('takes the steps of docs/verdicts-reference.md in their order', () => {
    const steps = rules[name].steps.map((step) => step.reasons);
    expect(steps).not.toEqual([]);
    expect(steps).toEqual(stepsOfPage(name));
  });
});
