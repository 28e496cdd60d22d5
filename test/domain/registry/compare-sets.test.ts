import { describe, expect, it } from 'vitest';
import { compareSets } from '../../../src/domain/registry/compare-sets.ts';
import type { RegistrySet } from '../../../src/domain/registry/model.ts';
import { resolveSet } from '../../../src/domain/registry/resolve-set.ts';
import type {
  AnyCujDocument,
  RegistryDocument,
  ServiceDocument,
} from '../../../src/domain/registry/schema.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';

const shop: ServiceDocument = { operation: 'http.request', canary: 'version:{version}' };
const buy: AnyCujDocument = { name: 'buy', owner: 'a', service: 'shop', endpoints: ['POST /orders'] };
const environments = { staging: { env: 'stg' }, production: { env: 'production' } };
const plain = { environments: undefined, services: { shop: { ...shop, env: 'production' } } };

type Changed = { readonly [Key in keyof RegistryDocument]?: RegistryDocument[Key] | undefined };

function setOf(changed: Changed = {}): RegistrySet {
  const document = {
    apiVersion: 'cuj-gate/v1',
    environments,
    defaults: { slo: { availability: 99.9 } },
    services: { shop },
    cujs: [buy],
    ...changed,
  };
  const input = { file: 'r.yaml', document: JSON.parse(JSON.stringify(document)) as RegistryDocument };
  const of = resolveSet([input], 'sha256:0', { dialect: datadogDialect });
  if (!of.ok) throw new Error(JSON.stringify(of.findings));
  return of.registries;
}

function changes(old: Changed, next: Changed) {
  const all = compareSets(setOf(old), setOf(next));
  const keys = (breaks: boolean) =>
    all
      .filter((one) => one.breaks === breaks)
      .map(
        ({ rule, name, environment }) =>
          `${rule}:${name}${environment === undefined ? '' : `@${environment}`}`,
      );
  return { breaks: keys(true), notes: keys(false), all };
}

describe('registries with the same environments', () => {
  it('without a change have none', () => {
    expect(changes({}, {}).all).toEqual([]);
  });

  it('have what is the same in all of them once, without an environment', () => {
    const { breaks, notes, all } = changes({}, { cujs: [{ ...buy, name: 'order' }] });
    expect([breaks, notes]).toEqual([['cuj-removed:buy'], []]);
    expect(all[0]?.message).not.toContain('environment');
  });

  it('have what breaks in one of them with its name, also in what to allow', () => {
    const observed = (mode: 'enforce' | 'observe') => ({
      cujs: [{ ...buy, environments: { staging: { mode } } }],
    });
    const { breaks, notes, all } = changes(observed('observe'), observed('enforce'));
    expect([breaks, notes]).toEqual([['mode-enforce:buy@staging'], []]);
    expect(all[0]).toMatchObject({
      message: expect.stringMatching(/ \(environment staging\)$/),
      fix: 'If you mean it, use --allow mode-enforce:buy@staging.',
    });
  });

  it('notice a selector that needs more in one of them', () => {
    const services = {
      shop: { ...shop, environments: { staging: { canary: 'version:{version},track:{track}' } } },
    };
    expect(changes({}, { services }).breaks).toEqual(['parameter-missing:shop@staging']);
  });

  it('notice that one of them measures another cluster', () => {
    const tagged = { ...environments, production: { env: 'production', tags: { cluster_name: 'eu-2' } } };
    const { breaks, notes, all } = changes({}, { environments: tagged });
    expect([breaks, notes]).toEqual([[], ['other-traffic:shop@production']]);
    expect(all[0]?.message).toContain('tags from none to cluster_name:eu-2');
  });
});

describe('environments that come and go', () => {
  it('break rollouts where one is gone, and say nothing of a new one', () => {
    const { breaks, notes, all } = changes(
      {},
      {
        environments: { production: {}, eu: { env: 'eu' } },
        services: { shop: { ...shop, env: 'production' } },
      },
    );
    expect([breaks, notes]).toEqual([['environment-removed:staging'], []]);
    expect(all[0]).toMatchObject({
      message: expect.stringContaining('has production, eu now'),
      place: { in: 'old', of: 'environment', name: 'staging' },
    });
  });

  it('break rollouts in each where the registry has none any more, and nothing else is compared', () => {
    const { breaks, notes } = changes({}, { ...plain, cujs: [{ ...buy, name: 'order' }] });
    expect([breaks, notes]).toEqual([['environment-removed:staging', 'environment-removed:production'], []]);
  });

  it('break rollouts that name none where the registry had none, and say what the gate then needs', () => {
    const { breaks, notes, all } = changes(plain, {});
    // The traffic of before is that of production: that staging has other traffic is no change.
    expect([breaks, notes]).toEqual([['environment-required:registry'], []]);
    expect(all[0]?.fix).toContain('CUJ_GATE_ENVIRONMENT');
    expect(all[0]?.fix).toContain('environment=NAME');
  });

  it('are compared with what was there before, in those that measure the same traffic', () => {
    const { breaks } = changes(plain, {
      cujs: [{ ...buy, name: 'order', environments: { staging: { mode: 'observe' } } }],
    });
    expect(breaks).toEqual(['environment-required:registry', 'cuj-removed:buy']);
  });
});

it('registries without environments are compared as they always were', () => {
  expect(changes(plain, { ...plain, cujs: [{ ...buy, name: 'order' }] }).breaks).toEqual(['cuj-removed:buy']);
});
