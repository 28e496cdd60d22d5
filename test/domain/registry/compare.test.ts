import { describe, expect, it } from 'vitest';
import { compareRegistries } from '../../../src/domain/registry/compare.ts';
import type { Registry } from '../../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import type {
  AnyCujDocument,
  RegistryDocument,
  ServiceDocument,
} from '../../../src/domain/registry/schema.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';

const api: ServiceDocument = {
  env: 'production',
  operation: 'http.request',
  canary: 'version:{version}',
  stable: 'version:{stable_version}',
};
const services = { api, pay: { ...api, stable: 'role:stable' } };
const login: AnyCujDocument = { name: 'login', owner: 'a', service: 'api', endpoints: ['POST /login'] };
const checkout: AnyCujDocument = {
  name: 'checkout',
  owner: 'a',
  service: 'pay',
  endpoints: ['POST /checkout'],
};
const both: AnyCujDocument = {
  name: 'both',
  owner: 'a',
  endpoints: [
    { service: 'api', method: 'GET', path: '/a' },
    { service: 'pay', method: 'GET', path: '/b' },
  ],
};

function registryOf(document: Partial<RegistryDocument>): Registry {
  const whole: RegistryDocument = {
    apiVersion: 'cuj-gate/v1',
    defaults: { slo: { availability: 99.9 } },
    services,
    cujs: [login, checkout],
    ...document,
  };
  const resolution = resolveRegistry([{ file: 'r.yaml', document: whole }], 'sha256:0', {
    dialect: datadogDialect,
  });
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
  return resolution.registry;
}

/** `rule:name` of what breaks, and of the notes. */
function changes(old: Partial<RegistryDocument>, next: Partial<RegistryDocument>) {
  const all = compareRegistries(registryOf(old), registryOf(next));
  const keys = (breaks: boolean) =>
    all.filter((one) => one.breaks === breaks).map(({ rule, name }) => `${rule}:${name}`);
  return { breaks: keys(true), notes: keys(false), all };
}

const renamed = (changed: Partial<AnyCujDocument> = {}) => ({
  cujs: [login, { ...checkout, name: 'payment', ...changed }],
});

describe('a registry against the one before it', () => {
  it('has nothing to say where nothing changes for a rollout in flight', () => {
    const next = { cujs: [{ ...login, title: 'Log in', owner: 'b', tier: 1 }, checkout, both] };
    expect(changes({}, next)).toEqual({ breaks: [], notes: [], all: [] });
  });

  it('breaks where a CUJ is gone, and names the one that it seems to be now', () => {
    const { breaks, all } = changes({}, { cujs: [login] });
    // The service has no CUJ any more, but still exists.
    expect(breaks).toEqual(['cuj-removed:checkout']);
    expect(all[0]).toMatchObject({ place: { in: 'old', of: 'cuj', name: 'checkout', path: ['name'] } });
    expect(all[0]?.fix).toContain('retired:');
    expect(changes({}, renamed()).all[0]?.fix).toBe(
      'The CUJ "payment" has the same endpoints: add aliases: [checkout] to it.',
    );
  });

  it('does not break where the old name is an alias, nor where it is retired', () => {
    expect(changes({}, renamed({ aliases: ['checkout'] }))).toMatchObject({
      breaks: [],
      notes: ['cuj-renamed:checkout'],
    });
    const retired = { name: 'checkout', owner: 'a', retired: 'gone' };
    expect(changes({}, { cujs: [login, retired] })).toMatchObject({
      breaks: [],
      notes: ['cuj-retired:checkout', 'nothing-enforced:pay'],
    });
  });

  it('lets the last step of the documented order through: what was retired is removed', () => {
    const retired = { name: 'checkout', owner: 'a', retired: 'gone', aliases: ['buy'] };
    expect(changes({ cujs: [login, retired] }, { cujs: [login] })).toMatchObject({
      breaks: [],
      notes: ['retired-removed:checkout'],
    });
  });

  it('breaks where an alias is dropped, also with its CUJ', () => {
    const old = { cujs: [{ ...login, aliases: ['sign-in', 'log-in'] }, checkout] };
    const { breaks, all } = changes(old, { cujs: [{ ...login, aliases: ['sign-in'] }, checkout] });
    expect(breaks).toEqual(['alias-removed:log-in']);
    expect(all[0]?.place).toEqual({ in: 'old', of: 'cuj', name: 'login', path: ['aliases', 1] });
    expect(changes(old, { cujs: [checkout] }).breaks).toEqual([
      'cuj-removed:login',
      'alias-removed:sign-in',
      'alias-removed:log-in',
    ]);
  });

  it('breaks where a service is renamed, and names the new one', () => {
    const next = {
      services: { api, payments: services.pay },
      cujs: [login, { ...checkout, service: 'payments' }],
    };
    const { breaks, notes, all } = changes({}, next);
    expect(breaks).toEqual(['service-removed:pay']);
    expect(all[0]?.fix).toContain('"payments"');
    expect(notes).toContain('service-left:checkout');
    // One that no CUJ had cannot have been asked about.
    expect(changes({ services: { ...services, idle: api } }, {}).breaks).toEqual([]);
  });

  it.each([
    ['renamed', { canary: 'version:{release}' }, ['parameter-unknown:api', 'parameter-missing:api']],
    ['added', { canary: 'version:{version},region:{region}' }, ['parameter-missing:api']],
    ['taken from stable', { stable: 'role:stable' }, ['parameter-unknown:api']],
    [
      'optional before, and required now',
      { canary: 'version:{version},not:{stable_version}' },
      ['parameter-missing:api'],
    ],
    [
      'all gone',
      { canary: 'role:canary', stable: 'role:stable' },
      ['parameter-unknown:api', 'parameter-unknown:api'],
    ],
  ])('breaks where parameters of a selector are %s', (_, changed, expected) => {
    const next = { services: { ...services, api: { ...api, ...changed } } };
    expect(changes({}, next).breaks).toEqual(expected);
  });

  it('notes a selector that takes the same parameters for other traffic', () => {
    const next = { services: { ...services, api: { ...api, canary: 'release:{version}' } } };
    const { breaks, notes, all } = changes({}, next);
    expect([breaks, notes]).toEqual([[], ['other-traffic:api']]);
    expect(all[0]?.message).toContain('canary from version:{version} to release:{version}');
    expect(all[0]?.place).toMatchObject({ in: 'new', of: 'service', name: 'api', path: ['canary'] });
  });

  it('accepts a parameter that only stable gains', () => {
    const old = { services: { ...services, api: { ...api, stable: 'role:stable' } } };
    expect(changes(old, {}).breaks).toEqual([]);
  });

  it('breaks where a CUJ of one service gains one with other parameters, since templates name no service', () => {
    const edge = { ...api, canary: 'role:{role}' };
    const gained = {
      ...login,
      endpoints: ['POST /login', { service: 'edge', method: 'GET' as const, path: '/x' }],
    };
    const next = { services: { ...services, edge }, cujs: [gained, checkout] };
    expect(changes({}, next).breaks).toEqual(['parameter-missing:login']);
    expect(changes({}, { ...next, services: { ...services, edge: api } }).breaks).toEqual([]);
  });

  it('breaks where a CUJ of several services loses one', () => {
    const next = { cujs: [login, { ...both, service: 'api', endpoints: ['GET /a'] }] };
    expect(changes({ cujs: [login, both] }, next)).toMatchObject({
      breaks: ['service-left:both'],
      notes: ['judged-otherwise:both', 'nothing-enforced:pay'],
    });
  });

  it('breaks where a CUJ that only reported is enforced, and notes the opposite', () => {
    const observes = { cujs: [{ ...login, mode: 'observe' as const }, checkout] };
    expect(changes(observes, {})).toMatchObject({ breaks: ['mode-enforce:login'], notes: [] });
    expect(changes({}, observes).notes).toEqual(['mode-observe:login', 'nothing-enforced:api']);
  });

  it('notes how a CUJ is judged otherwise, key by key', () => {
    const next = {
      cujs: [
        {
          ...login,
          slo: { availability: 99.95, latency: 99 },
          latencyMs: 300,
          failure: ['5xx', 401],
          gate: { rule: 'strict' as const, passAfter: 'never', warmUp: '2m' },
          endpoints: ['GET /me'],
        },
        checkout,
      ],
    };
    const { breaks, notes, all } = changes({}, next);
    expect([breaks, notes]).toEqual([[], ['judged-otherwise:login']]);
    expect(all[0]?.message).toBe(
      'the CUJ "login" is judged otherwise, also in rollouts in flight: slo.availability from 99.9% to 99.95%; slo.latency from none to 99%; gate.rule from confidence to strict; gate.passAfter from 6m to never; gate.warmUp from none to availability 2m latency 2m client 2m; latencyMs from none to 300; failure from 5xx to 5xx, 401; endpoints added: GET /me; endpoints removed: POST /login',
    );
  });

  it('compares a renamed CUJ with itself', () => {
    const next = renamed({ aliases: ['checkout'], slo: { availability: 99 } });
    expect(changes({}, next).notes).toEqual(['cuj-renamed:checkout', 'judged-otherwise:checkout']);
  });
});
