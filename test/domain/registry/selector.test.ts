import { describe, expect, it } from 'vitest';
import {
  fillSelector,
  normalizeParam,
  parseSelector,
  type SelectorTemplate,
  selectorText,
} from '../../../src/domain/registry/selector.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';
import { filterText, restText } from '../../../src/sources/datadog/query/selector-scopes.ts';

function templateOf(text: string): SelectorTemplate {
  const template = parseSelector(text, datadogDialect);
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
    const template = parseSelector(text, datadogDialect);
    expect('error' in template && template.error).toMatch(words);
  });
});

describe('a selector', () => {
  it('is a filter of what Datadog stores, and its complement', () => {
    const template = templateOf('role:canary,version:v{version}');
    const selector = fillSelector(template, new Map([['version', '2.1_build7']]), datadogDialect);
    expect(selectorText(selector)).toBe('role:canary AND version:v2.1_build7');
    expect(filterText(selector)).toBe('role:canary AND version:v2.1_build7');
    expect(restText(selector)).toBe('(role NOT IN (canary) OR version NOT IN (v2.1_build7))');
    expect(restText(fillSelector(templateOf('version:{v}'), new Map([['v', 'v2']]), datadogDialect))).toBe(
      'version NOT IN (v2)',
    );
  });

  it.each([
    'v2) OR (env:prod',
    'v2,env:prod',
    '*',
    '1.*',
    'v?',
    '{x}',
    '{{args.version}}',
    '$(VERSION)',
    '$VERSION',
    '[v2]',
    '<no value>',
    '"v2"',
    "v2'--",
    '`v2`',
    'v2\\',
    'v2|v3',
    'v2;v3',
    'v2&v3',
    'v2\tx',
    'v2\nv3',
    'v2\u0000',
    'ｖ２',
    'バージョン',
  ])('cannot be asked for by %j, which is no tag value', (raw) => {
    expect(normalizeParam('version', raw, datadogDialect)).toEqual({
      error: expect.stringContaining('version holds '),
    });
  });

  it.each([
    ['V2.1+build7', 'v2.1_build7'],
    ['1!2.0~rc1', '1_2.0_rc1'],
    ['registry/app:tag@sha256:ab', 'registry/app:tag_sha256:ab'],
    ['v2 AND x', 'v2_and_x'],
    ['v2-- #1', 'v2--_1'],
  ])('asks for what Datadog stores of %j', (raw, value) => {
    expect(normalizeParam('version', raw, datadogDialect)).toEqual({ value });
  });
});
