import { describe, expect, it } from 'vitest';
import { attemptsOf, candidatesOf } from '../../src/backtest/attempts.ts';
import { paramsFor, versionSelectorOf } from '../../src/backtest/versions.ts';
import { parseSelector, type SelectorTemplate } from '../../src/domain/registry/selector.ts';
import { datadogDialect } from '../../src/sources/datadog/query/dialect.ts';

const hour = 3_600_000;
const candidates = (hits: Record<string, number[]>) =>
  candidatesOf('shop', new Map(Object.entries(hits)), 0, Object.values(hits)[0]?.length ?? 0).map(
    ({ version, before, fromMs, toMs }) => [version, before, fromMs / hour, toMs / hour],
  );

describe('rollouts by the hour', () => {
  it.each<[string, Record<string, number[]>, unknown[]]>([
    [
      'begin where a version appears beside another',
      { a: [900, 900, 0], b: [0, 90, 900] },
      [['b', 'a', 1, 3]],
    ],
    [
      'begin where a version takes over on the hour',
      { a: [900, 0, 0], b: [0, 900, 900] },
      [['b', 'a', 1, 2]],
    ],
    [
      'end with the hour in which it is gone',
      { a: [9, 900, 900, 900], b: [0, 90, 0, 0] },
      [['b', 'a', 1, 3]],
    ],
    [
      'are two where it is tried again',
      { a: [900, 900, 900, 900, 900], b: [0, 90, 0, 90, 90] },
      [
        ['b', 'a', 1, 3],
        ['b', 'a', 3, 5],
      ],
    ],
    [
      'follow the busiest version of the hour before',
      { a: [500, 0, 0], b: [900, 900, 0], c: [0, 90, 900] },
      [['c', 'b', 1, 3]],
    ],
    ['are not what was there from the start', { a: [900, 900], b: [90, 900] }, []],
    ['are not a first deploy', { a: [0, 0, 900] }, []],
    ['are not a stray request', { a: [900, 900, 900], b: [0, 3, 0] }, []],
    [
      'are replayed for eight hours at most',
      { a: Array(12).fill(900), b: [0, ...Array(11).fill(90)] },
      [['b', 'a', 1, 9]],
    ],
  ])('%s', (_, hits, expected) => {
    expect(candidates(hits)).toEqual(expected);
  });
});

describe('attempts by the minute', () => {
  const some = (count: number, value: number) => Array<number>(count).fill(value);
  it.each<[string, number[], number[], unknown[]]>([
    [
      'end where it carries all traffic for three minutes, stragglers aside',
      [...some(2, 0), ...some(10, 25), ...some(8, 100)],
      [...some(2, 100), ...some(10, 75), ...some(8, 1)],
      [{ first: 2, end: 12, ending: 'all_traffic' }],
    ],
    [
      'end with its last hit where it is withdrawn, and are two where it comes back after the gap',
      [...some(3, 25), ...some(5, 0), ...some(4, 25), ...some(2, 0)],
      some(14, 75),
      [
        { first: 0, end: 3, ending: 'withdrawn' },
        { first: 8, end: 14, ending: 'still_canary' },
      ],
    ],
    [
      'are one where it pauses for less than the gap',
      [...some(3, 25), ...some(4, 0), ...some(4, 25), ...some(5, 0)],
      some(16, 75),
      [{ first: 0, end: 11, ending: 'withdrawn' }],
    ],
    ['are none where it takes over at once', some(9, 100), some(9, 0), []],
    [
      'do not begin again while it carries all traffic',
      [...some(3, 25), ...some(5, 100), ...some(3, 90)],
      [...some(3, 75), ...some(5, 0), ...some(3, 10)],
      [{ first: 0, end: 3, ending: 'all_traffic' }],
    ],
  ])('%s', (_, canary, others, expected) => {
    expect(attemptsOf(canary, others, 0, 5)).toEqual(expected);
  });
});

describe('which selectors tell past rollouts', () => {
  const dialect = datadogDialect;
  const selector = (text: string) => parseSelector(text, dialect) as SelectorTemplate;
  const versionSelector = (text: string) => versionSelectorOf({ canary: selector(text), dialect });
  it.each([
    ['version:{version}', { key: 'version', param: 'version' }],
    ['pod_hash:{hash}', { key: 'pod_hash', param: 'hash' }],
    ['role:canary', { why: expect.stringContaining('the same in every rollout') }],
    ['version:v{version}', { why: expect.stringContaining('more than one tag with one placeholder') }],
    ['role:canary,version:{version}', { why: expect.stringContaining('more than one tag') }],
    ['service:{name}', { why: expect.stringContaining('its own service tag') }],
  ])('%s', (text, expected) => {
    expect(versionSelector(text)).toEqual(expected);
  });

  it('give stable the version before where its selector takes one, and leave it the rest otherwise', () => {
    const canary = selector('version:{version}');
    const params = (stable?: string) => [
      ...paramsFor(
        { canary, dialect, stable: stable === undefined ? undefined : selector(stable) },
        'v2',
        'v1',
      ),
    ];
    expect(params('version:{stable_version}')).toEqual([
      ['version', 'v2'],
      ['stable_version', 'v1'],
    ]);
    expect(params()).toEqual([['version', 'v2']]);
    expect(params('role:{role}')).toEqual([['version', 'v2']]);
  });
});
