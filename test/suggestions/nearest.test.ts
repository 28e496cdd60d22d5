import { expect, it } from 'vitest';
import { maxCompared, nearestNames } from '../../src/suggestions/nearest.ts';

const many = Array.from({ length: 10_000 }, (_, i) => `cuj-number-${i}`);

it.each([
  ['two letters swapped', 'cuj-nubmer-4711', 'cuj-number-4711'],
  ['a letter too few', 'cuj-numbr-4711', 'cuj-number-4711'],
  ['a letter too many at its beginning', 'ccuj-number-4711', 'cuj-number-4711'],
  ['other letter case', 'CUJ-Number-4711', 'cuj-number-4711'],
  ['a part of it', 'number-4711', 'cuj-number-4711'],
])('finds one of 10,000 names by %s', (_, wanted, meant) => {
  expect(nearestNames(wanted, many)[0]).toBe(meant);
});

it.each([
  ['nothing like them', 'x'.repeat(10_000)],
  ['what all of them hold', 'cuj-number-'],
  ['what all of them begin and end with', 'cuj-nxmber-1'],
])('compares no more than a few of them with %s', (_, wanted) => {
  let compared = 0;
  nearestNames(wanted, many, {
    edits(a, b) {
      compared += 1;
      expect(Math.max(a.length, b.length)).toBeLessThanOrEqual(100);
      return 50;
    },
  });
  expect(compared).toBeLessThanOrEqual(maxCompared);
});

it('compares all of a few names, and offers none that is far off', () => {
  expect(nearestNames('zignup', ['login', 'signup', 'sign-in', 'browse'])).toEqual(['signup']);
  expect(nearestNames('checkout', ['login', 'signup'])).toEqual([]);
  expect(nearestNames('', ['login', 'a'])).toEqual(['a']);
  expect(nearestNames('Sign up', ['view /', 'action Sign up now'])).toEqual(['action Sign up now']);
});
