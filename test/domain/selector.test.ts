import { describe, expect, it } from 'vitest';
import {
  fillSelector,
  normalizeParam,
  parseSelector,
  restText,
  type SelectorTemplate,
  selectorText,
} from '../../src/domain/selector.ts';

function templateOf(text: string): SelectorTemplate {
  const template = parseSelector(text);
  if ('error' in template) throw new Error(template.error);
  return template;
}

describe('a selector template', () => {
  it.each([
    ['version:{version}', ['version']],
    ['version:v{major}.{minor}', ['major', 'minor']],
    ['role:canary,version:{v}', ['v']],
    ['role:canary AND version:{v}', ['v']],
    ['hash:{h}', ['h']],
    ['a:{x},b:{x}', ['x']],
    ['image:registry/app:{tag}', ['tag']],
  ])('%s takes %j', (text, params) => {
    expect(templateOf(text).params).toEqual(params);
  });

  it.each([
    ['version', /not key:value/],
    ['version:', /not key:value/],
    [':v2', /not key:value/],
    ['Version:{v}', /tag key "Version"/],
    ['version:{Version}', /not a lower-case name/],
    ['version:{since}', /gate's own parameters/],
    ['version:{v', /does not store/],
    ['version:v2) OR (env:prod', /does not store/],
    ['version:*', /does not store/],
    ['version:{v},version:{w}', /appears twice/],
    ['version:{v},', /not key:value/],
  ])('%s is refused', (text, words) => {
    const template = parseSelector(text);
    expect('error' in template && template.error).toMatch(words);
  });
});

describe('a selector', () => {
  it('is a filter of what Datadog stores, and its complement', () => {
    const template = templateOf('role:canary,version:v{version}');
    const selector = fillSelector(template, new Map([['version', '2.1_build7']]));
    expect(selectorText(selector)).toBe('role:canary AND version:v2.1_build7');
    expect(restText(selector)).toBe('(role NOT IN (canary) OR version NOT IN (v2.1_build7))');
    expect(restText(fillSelector(templateOf('version:{v}'), new Map([['v', 'v2']])))).toBe(
      'version NOT IN (v2)',
    );
  });

  it.each(['v2) OR (env:prod', 'v2,env:prod', '*', 'v2 AND x', '{x}', 'v2\tx', '"v2"', "v2'--"])(
    'cannot be broken out of by a caller: %j',
    (raw) => {
      const normalized = normalizeParam('version', raw);
      if ('value' in normalized) expect(normalized.value).toMatch(/^[a-z0-9_:./-]+$/);
      else expect(normalized.error).toContain('version');
    },
  );
});
