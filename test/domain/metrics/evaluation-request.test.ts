import { describe, expect, it } from 'vitest';
import { CallerError } from '../../../src/domain/errors.ts';
import {
  type EvaluationRequest,
  refuseFuture,
  resolveRequest,
} from '../../../src/domain/metrics/evaluation-request.ts';
import { registryOf } from '../judge/journey.ts';

const registry = registryOf(`
  { "apiVersion": "cuj-gate/v1",
    "defaults": { "slo": { "availability": 99.95 } },
    "services": {
      "shop": { "env": "prod", "operation": "http.request", "canary": "version:{version}", "stable": "version:{stable_version}" },
      "auth": { "env": "prod", "operation": "http.request", "canary": "version:{auth_version},role:canary" },
      "fixed": { "env": "prod", "operation": "http.request", "canary": "role:canary", "stable": "role:stable" } },
    "cujs": [
      { "name": "login", "owner": "t", "service": "shop", "endpoints": ["GET /a"] },
      { "name": "pay", "owner": "t", "service": "shop", "endpoints": ["POST /pay", { "service": "auth", "method": "GET", "path": "/me" }] },
      { "name": "labelled", "owner": "t", "service": "fixed", "endpoints": ["GET /f"] } ] }`);

const now = Date.parse('2026-01-31T10:00:00Z');

function check(cuj: string, params: Record<string, string>, more: Partial<EvaluationRequest> = {}) {
  const entry = registry.cujs.get(cuj);
  if (entry === undefined) throw new Error(cuj);
  return resolveRequest(registry, entry, { cuj, params: new Map(Object.entries(params)), ...more });
}

function refusal(ask: () => unknown): CallerError {
  try {
    ask();
  } catch (error) {
    if (error instanceof CallerError) return error;
  }
  throw new Error('it was not refused');
}

describe('what a caller may ask', () => {
  it('fills the selectors with what Datadog stores', () => {
    expect(check('login', { version: 'V2.1+build7', stable_version: 'v2.0' }).selectorTexts).toEqual({
      canary: 'version:v2.1_build7',
      stable: 'version:v2.0',
    });
  });

  it('takes the rest for stable where its version is not given, and fixed labels without any', () => {
    expect(check('login', { version: 'v2' }).selectorTexts.stable).toBe('the rest');
    expect(check('labelled', {}).selectorTexts).toEqual({ canary: 'role:canary', stable: 'role:stable' });
  });

  it('shows the selectors of every service of a CUJ, and of one alone where that is asked', () => {
    expect(check('pay', { version: 'v2', auth_version: 'a7' }).selectorTexts.canary).toBe(
      'version:v2 | version:a7 AND role:canary',
    );
    const one = check('pay', { auth_version: 'a7' }, { service: 'auth' });
    expect(one.services.map(({ name }) => name)).toEqual(['auth']);
  });
});

describe('what a caller may not ask', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['without the canary’s parameter', () => check('login', {}), /"version" is missing/],
    [
      'with an empty one, which would widen the selector to everything',
      () => check('login', { version: '' }),
      /empty/,
    ],
    ['with blanks', () => check('login', { version: '   ' }), /empty/],
    ['with an empty optional one', () => check('login', { version: 'v2', stable_version: '' }), /empty/],
    [
      'with nothing that a tag can hold',
      () => check('login', { version: '+++' }),
      /nothing that Datadog stores/,
    ],
    ['with what is not ASCII', () => check('login', { version: 'v２' }), /outside printable ASCII/],
    ['with an endless one', () => check('login', { version: 'v'.repeat(201) }), /longer than the 200/],
    [
      'with an unknown one',
      () => check('login', { version: 'v2', verison: 'v3' }),
      /Unknown parameter "verison"/,
    ],
    [
      'a canary that is its own stable',
      () => check('login', { version: 'v2', stable_version: 'V2' }),
      /the same selector/,
    ],
    [
      'about a service that the CUJ does not touch',
      () => check('login', { version: 'v2' }, { service: 'auth' }),
      /no endpoint of service "auth"/,
    ],
    [
      'for a window in half minutes',
      () => check('login', { version: 'v2' }, { window: '90s' }),
      /whole minutes/,
    ],
    [
      'for a window longer than what is measured',
      () => check('login', { version: 'v2' }, { window: '3h' }),
      /longer than what is measured/,
    ],
    [
      'for one minute, in which nothing could fail',
      () => check('login', { version: 'v2' }, { window: '1m' }),
      /a fail needs a fault that lasts longer than 30s \(minFaultDuration\)/,
    ],
    ['for no window', () => check('login', { version: 'v2' }, { window: '' }), /whole minutes/],
  ])('%s', (_, ask, words) => {
    const error = refusal(ask);
    expect(error.code).toBe('invalid_request');
    expect(error.message).toMatch(words);
    expect(error.hint).not.toBe('');
  });

  it('names the header beside the query parameter', () => {
    expect(refusal(() => check('pay', { version: 'v2' })).hint).toContain('X-Canary-Auth-Version');
  });
});

describe('since', () => {
  const since = (text: string) => check('login', { version: 'v2' }, { since: text }).sinceMs;

  it.each([
    ['2026-01-31T09:00:00Z', '2026-01-31T09:00:00Z'],
    ['2026-01-31t09:00:00z', '2026-01-31T09:00:00Z'],
    ['2026-01-31T18:00:00.5+09:00', '2026-01-31T09:00:00.500Z'],
    // In a query string the + of an offset arrives as a space.
    ['2026-01-31T18:00:00 09:00', '2026-01-31T09:00:00Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
    [String(Date.parse('2026-01-31T09:00:00Z') / 1000), '2026-01-31T09:00:00Z'],
    ['2026-01-31T10:04:59Z', '2026-01-31T10:04:59Z'],
  ])('reads %s', (text, time) => {
    expect(since(text)).toBe(Date.parse(time));
  });

  it.each([
    'yesterday',
    '2026-01-31',
    '2026-01-31T09:00:00',
    '2026-02-30T09:00:00Z',
    '2026-13-01T09:00:00Z',
    '2026-01-31T24:00:00Z',
    '1769850000000',
    '-5',
    '1e9',
    '',
    '0',
    '2026',
    '20260131',
    '1970-01-01T00:00:00Z',
  ])('refuses %j', (text) => {
    expect(refusal(() => since(text)).code).toBe('invalid_request');
  });

  it('may be half an hour ahead of our clock, and no more', () => {
    const at = (since: string) => refuseFuture(check('login', { version: 'v2' }, { since }), now);
    at('2026-01-31T10:30:00Z');
    expect(refusal(() => at('2026-01-31T10:30:01Z'))).toMatchObject({
      code: 'invalid_request',
      message:
        'since 2026-01-31T10:30:01.000Z is in the future: the clock of this gate says 2026-01-31T10:00:00.000Z.',
    });
  });
});
