import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { pathText, type RegistryInput } from '../../../src/domain/registry/findings.ts';
import type { Registry } from '../../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import { resolveSet } from '../../../src/domain/registry/resolve-set.ts';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';
import { describeQueries } from '../../../src/sources/datadog/query/query-plan.ts';
import { sloEvents } from '../../../src/sources/datadog/query/slo-queries.ts';

const dialect = datadogDialect;
type Document = Omit<RegistryDocument, 'apiVersion'>;

function input(document: Document, file = 'r.yaml'): RegistryInput {
  return { file, document: { apiVersion: 'cuj-gate/v1', ...document } };
}

function setOf(...inputs: readonly RegistryInput[]) {
  const resolution = resolveSet(inputs, 'sha256:0', { dialect });
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings, null, 2));
  return resolution;
}

function alone(...inputs: readonly RegistryInput[]): Registry {
  const resolution = resolveRegistry(inputs, 'sha256:0', { dialect });
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings, null, 2));
  return resolution.registry;
}

const findingsOf = (...inputs: readonly RegistryInput[]) => {
  const resolution = resolveSet(inputs, 'sha256:0', { dialect });
  return resolution.ok ? [] : resolution.findings;
};
const placesOf = (...inputs: readonly RegistryInput[]) =>
  findingsOf(...inputs).map(({ file, path, rule }) => `${file} ${pathText(path)} ${rule}`);

/** Every text that Datadog is asked with: for verdicts, and in the SLOs. */
function queriesOf(registry: Registry): string[] {
  const verdicts = registry.batches.flatMap((batch) => describeQueries(batch)).map(({ query }) => query);
  const slos = [...registry.cujs.values()].flatMap((cuj) =>
    (['availability', 'latency'] as const).flatMap(
      (sli) => sloEvents(registry, cuj, sli)?.queries.map(({ query }) => query) ?? [],
    ),
  );
  return [...verdicts, ...slos];
}

const api = { operation: 'http.request', canary: 'version:{version}' };
const buy = { name: 'buy', owner: 'team', service: 'api', endpoints: ['POST /orders'] };

describe('a registry without environments', () => {
  it.each(['../../../config/cujs.yaml', '../../testdata/registry/good.yaml'])(
    'resolves as before: %s',
    (name) => {
      const document = parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as RegistryDocument;
      const files = [{ file: 'r.yaml', document }];
      const { registries } = setOf(...files);
      expect([...registries.byEnvironment]).toEqual([[undefined, alone(...files)]]);
      expect(alone(...files)).not.toHaveProperty('environment');
    },
  );
});

/** A registry with environments, and for each of them what somebody would write who has no other. */
const examples: readonly {
  readonly what: string;
  readonly inputs: readonly RegistryInput[];
  readonly written: Readonly<Record<string, readonly RegistryInput[]>>;
}[] = [
  {
    what: 'env alone',
    inputs: [
      input({
        environments: { staging: { env: 'stg' }, production: {} },
        defaults: { slo: { availability: 99.9 } },
        services: { api: { env: 'prod', ...api } },
        cujs: [buy],
      }),
    ],
    written: {
      staging: [
        input({
          defaults: { slo: { availability: 99.9 } },
          services: { api: { env: 'stg', ...api } },
          cujs: [buy],
        }),
      ],
      production: [
        input({
          defaults: { slo: { availability: 99.9 } },
          services: { api: { env: 'prod', ...api } },
          cujs: [buy],
        }),
      ],
    },
  },
  {
    what: 'three clusters of one env, told apart by tags, with a source of its own',
    inputs: [
      input({
        environments: {
          eu: { env: 'prod', tags: { region: 'eu', cluster_name: 'eu-1' } },
          us: { env: 'prod', tags: { cluster_name: 'us-1' } },
        },
        sources: {
          mesh: {
            total: 'sum:mesh.requests{service:{service},{selector}}.as_count()',
            bad: 'sum:mesh.requests{service:{service},{selector},code:5*}.as_count()',
          },
        },
        services: {
          api: { ...api },
          edge: { source: 'mesh', canary: 'version:{version}', environments: { us: { tags: {} } } },
        },
        cujs: [
          { ...buy, slo: { availability: 99.9, latency: 99 }, latencyMs: 200 },
          { name: 'edge', owner: 'team', service: 'edge', slo: { availability: 99 }, endpoints: '*' },
        ],
      }),
    ],
    written: Object.fromEntries(
      (
        [
          ['eu', { cluster_name: 'eu-1', region: 'eu' }, { cluster_name: 'eu-1', region: 'eu' }],
          ['us', { cluster_name: 'us-1' }, {}],
        ] as const
      ).map(([name, tags, edgeTags]) => [
        name,
        [
          input({
            sources: {
              mesh: {
                total: 'sum:mesh.requests{service:{service},{selector}}.as_count()',
                bad: 'sum:mesh.requests{service:{service},{selector},code:5*}.as_count()',
              },
            },
            services: {
              api: { env: 'prod', tags, ...api },
              edge: { env: 'prod', tags: edgeTags, source: 'mesh', canary: 'version:{version}' },
            },
            cujs: [
              { ...buy, slo: { availability: 99.9, latency: 99 }, latencyMs: 200 },
              { name: 'edge', owner: 'team', service: 'edge', slo: { availability: 99 }, endpoints: '*' },
            ],
          }),
        ],
      ]),
    ),
  },
  {
    what: 'objectives, gate, mode, SLO ids and policy, with defaults and overrides in several files',
    inputs: [
      input(
        {
          environments: { staging: { env: 'stg' }, production: { env: 'prod' } },
          defaults: {
            slo: { availability: 99.95, window: '30d' },
            gate: { maxWindow: '2h', minRequests: 50 },
          },
        },
        'a.yaml',
      ),
      input(
        {
          defaults: { environments: { staging: { slo: { availability: 99 }, gate: { minRequests: 5 } } } },
          services: {
            api: {
              ...api,
              warmUp: '2m',
              environments: { staging: { warmUp: 'none', canary: 'track:{track}' } },
            },
          },
          cujs: [
            {
              ...buy,
              slo: { latency: 99 },
              latencyMs: 200,
              gate: { rule: 'strict', lag: '60s' },
              environments: {
                staging: { mode: 'observe', latencyMs: 800, gate: { lag: '90s' }, slo: { latency: 90 } },
                production: {
                  sloId: { availability: 'a'.repeat(32) },
                  errorBudgetPolicy: [{ below: '50%', action: 'Stop', gate: 'strict' }],
                },
              },
            },
          ],
        },
        'b.yaml',
      ),
    ],
    written: {
      staging: [
        input({
          defaults: {
            slo: { availability: 99, window: '30d' },
            gate: { maxWindow: '2h', minRequests: 5 },
          },
          services: {
            api: { env: 'stg', operation: 'http.request', warmUp: 'none', canary: 'track:{track}' },
          },
          cujs: [
            {
              ...buy,
              mode: 'observe',
              slo: { latency: 90 },
              latencyMs: 800,
              gate: { rule: 'strict', lag: '90s' },
            },
          ],
        }),
      ],
      production: [
        input({
          defaults: {
            slo: { availability: 99.95, window: '30d' },
            gate: { maxWindow: '2h', minRequests: 50 },
          },
          services: { api: { env: 'prod', warmUp: '2m', ...api } },
          cujs: [
            {
              ...buy,
              slo: { latency: 99 },
              latencyMs: 200,
              gate: { rule: 'strict', lag: '60s' },
              sloId: { availability: 'a'.repeat(32) },
              errorBudgetPolicy: [{ below: '50%', action: 'Stop', gate: 'strict' }],
            },
          ],
        }),
      ],
    },
  },
];

describe.each(examples)('an environment is as if it were the only one: $what', ({ inputs, written }) => {
  it.each(Object.keys(written))('%s', (name) => {
    const of = setOf(...inputs).registries.byEnvironment.get(name) as Registry;
    const expected = alone(...(written[name] as readonly RegistryInput[]));
    const cujs = new Map([...expected.cujs].map(([of, cuj]) => [of, { ...cuj, environment: name }]));
    expect(of).toEqual({ ...expected, environment: name, cujs });
    expect(queriesOf(of)).toEqual(queriesOf(expected));
    expect(queriesOf(of).length).toBeGreaterThan(3);
  });

  it('has exactly the environments that the files name', () => {
    expect([...setOf(...inputs).registries.byEnvironment.keys()]).toEqual(Object.keys(written));
  });
});

describe('scope tags', () => {
  const tagged = (tags: Record<string, string>, more: Partial<Document> = {}) =>
    input({
      environments: { eu: { env: 'prod', tags } },
      services: { api },
      cujs: [{ ...buy, slo: { availability: 99.9 } }],
      ...more,
    });

  it('are in every query, beside the selector and not in place of it', () => {
    const registry = setOf(tagged({ cluster_name: 'eu-1' })).registries.byEnvironment.get('eu') as Registry;
    for (const query of queriesOf(registry))
      expect(query).toContain('{env:prod AND service:api AND cluster_name:eu-1');
    expect(queriesOf(registry)[0]).toContain('cluster_name:eu-1 AND version:{version} AND resource_name:');
  });

  it.each([
    ['env, which has a key of its own', { env: 'x' }, 'r.yaml environments.eu.tags.env tag-reserved'],
    ['service', { service: 'x' }, 'r.yaml environments.eu.tags.service tag-reserved'],
    ['what is not stored so', { region: 'eu_' }, 'r.yaml environments.eu.tags.region tag-value'],
    ['the tag of the selector', { version: 'v1' }, 'r.yaml environments.eu.tags.version tag-in-selector'],
  ])('refuse %s where it is written', (_, tags, expected) => {
    expect(placesOf(tagged(tags))).toEqual([expected]);
  });

  it('tell batches apart, so that one cluster is never asked for another', () => {
    const { registries } = setOf(
      input({
        environments: {
          eu: { env: 'prod', tags: { cluster_name: 'eu-1' } },
          us: { env: 'prod', tags: { cluster_name: 'us-1' } },
        },
        services: { api },
        cujs: [{ ...buy, slo: { availability: 99.9 } }],
      }),
    );
    const ids = [...registries.byEnvironment.values()].flatMap(({ batches }) => batches.map(({ id }) => id));
    expect(ids).toEqual(['prod,cluster_name:eu-1/trace/api', 'prod,cluster_name:us-1/trace/api']);
  });
});

describe('what is wrong with an environment', () => {
  const two = { environments: { staging: { env: 'stg' }, production: { env: 'prod' } } };
  const slo = { availability: 99.9 };

  it('is told where the override is written, and names the environment where it is not wrong in all', () => {
    const files = input({
      ...two,
      services: { api },
      cujs: [{ ...buy, slo, environments: { staging: { gate: { lag: '5s' }, slo: { availability: 0.9 } } } }],
    });
    expect(placesOf(files)).toEqual([
      'r.yaml cujs[0].environments.staging.slo.availability percent-not-ratio',
      'r.yaml cujs[0].environments.staging.gate.lag lag-range',
    ]);
    for (const { message } of findingsOf(files)) expect(message).toMatch(/\(environment staging\)$/);
  });

  it('is told once where all environments have it', () => {
    const found = findingsOf(input({ ...two, services: { api }, cujs: [{ ...buy, service: 'apu', slo }] }));
    expect(found.map(({ rule }) => rule)).toEqual(['unknown-service']);
    expect(found[0]?.message).not.toContain('environment');
  });

  it('is an override for one that nobody defined, at its key and with those that are', () => {
    const found = findingsOf(
      input({
        ...two,
        defaults: { environments: { prod: { slo } } },
        services: { api: { ...api, environments: { stagin: { env: 'x' } } } },
        cujs: [{ ...buy, slo, environments: { productoin: {} } }],
      }),
    );
    expect(found.map(({ path, at }) => `${at} ${pathText(path)}`)).toEqual([
      'key defaults.environments.prod',
      'key services.api.environments.stagin',
      'key cujs[0].environments.productoin',
    ]);
    expect(found[1]?.unknown).toEqual({ name: 'stagin', known: ['staging', 'production'] });
  });

  it('is an override where the registry has none', () => {
    expect(
      placesOf(
        input({
          services: { api: { env: 'prod', ...api } },
          cujs: [{ ...buy, slo, environments: { staging: {} } }],
        }),
      ),
    ).toEqual(['r.yaml cujs[0].environments.staging unknown-environment']);
  });

  it('is a service without env, in the environments that have none', () => {
    const found = findingsOf(
      input({ environments: { a: { env: 'x' }, b: {} }, services: { api }, cujs: [{ ...buy, slo }] }),
    );
    expect(found.map(({ path, rule, message }) => `${pathText(path)} ${rule} ${message}`)).toEqual([
      expect.stringMatching(/^services\.api env-missing .*\(environment b\)$/),
    ]);
    expect(placesOf(input({ services: { api }, cujs: [{ ...buy, slo }] }))).toEqual([
      'r.yaml services.api env-missing',
    ]);
  });

  it('is one that two files define', () => {
    expect(
      placesOf(
        input({ ...two, services: { api }, cujs: [{ ...buy, slo }] }, 'a.yaml'),
        input({ environments: { staging: { env: 'x' } } }, 'b.yaml'),
      ),
    ).toEqual([
      'a.yaml environments.staging duplicate-environment',
      'b.yaml environments.staging duplicate-environment',
    ]);
  });

  it('is one SLO for several, whose budget would be that of one of them', () => {
    const sloId = { availability: 'b'.repeat(32) };
    expect(placesOf(input({ ...two, services: { api }, cujs: [{ ...buy, slo, sloId }] }))).toEqual([
      'r.yaml cujs[0].sloId.availability slo-id-of-several-environments',
    ]);
  });

  it('is a placeholder {environment}, which stays one where there are no environments', () => {
    const canary = 'version:{version},stage:{environment}';
    const cujs = [{ ...buy, slo }];
    expect(placesOf(input({ ...two, services: { api: { ...api, canary } }, cujs }))).toEqual([
      'r.yaml services.api.canary selector',
    ]);
    expect(placesOf(input({ services: { api: { env: 'prod', ...api, canary } }, cujs }))).toEqual([]);
  });
});
