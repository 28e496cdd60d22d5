import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isSafeTagValue,
  normalizeTagValue,
  resourceNameOf,
} from '../../../../src/sources/datadog/query/tag-normalization.ts';

describe('the resource_name of a route', () => {
  it.each([
    ['PUT', '/api/product/{id}/wish-list', 'put_/api/product/_id_/wish-list'],
    ['DELETE', '/boxes/{name}', 'delete_/boxes/_name'],
    ['GET', '/users/:id', 'get_/users/:id'],
    ['GET', '/', 'get_/'],
    ['GET', '/a__b', 'get_/a_b'],
    ['POST', '/検索', 'post_/検索'],
  ])('%s %s is %s', (method, path, name) => {
    expect(resourceNameOf(method, path)).toBe(name);
  });
});

describe('the normalisation of tag values', () => {
  it.each([
    ['V2.1+build7', 'v2.1_build7'],
    ['+++', ''],
    ['a'.repeat(250), 'a'.repeat(200)],
    [`${'a'.repeat(199)}+b`, 'a'.repeat(199)],
  ])('stores %j as %j', (raw, stored) => {
    expect(normalizeTagValue(raw)).toBe(stored);
  });

  it('leaves alone what it has normalised, and of ASCII makes what is safe in a query', () => {
    fc.assert(
      fc.property(fc.string(), (raw) => {
        const stored = normalizeTagValue(raw);
        expect(normalizeTagValue(stored)).toBe(stored);
        if (stored !== '') expect(isSafeTagValue(stored)).toBe(true);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
