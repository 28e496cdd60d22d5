import { describe, expect, it } from 'vitest';
import { compareRegistries } from '../../../src/domain/registry/compare.ts';
import { pathText, type RegistryInput } from '../../../src/domain/registry/findings.ts';
import type { Registry } from '../../../src/domain/registry/model.ts';
import { leftOutNames, partOfBackend } from '../../../src/domain/registry/part-of-backend.ts';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import type { RegistryDocument, SourceDocument } from '../../../src/domain/registry/schema.ts';
import { queryKey } from '../../../src/sources/decorators/query-key.ts';
import { backendOfBatch, dialectOptions } from '../../../src/sources/dialects/dialect-options.ts';
import { type BackendName, dialects } from '../../../src/sources/dialects/dialects.ts';

/** Sources of a registry that name their backend. */

const counters: SourceDocument = {
  backend: 'prometheus',
  total: 'http_requests_total{job="{service}"}',
  bad: 'http_requests_total{job="{service}",code=~"5.."}',
  groupBy: 'method/route',
};
const mesh: SourceDocument = {
  total: 'sum:istio.mesh.request.count{destination:{service},{selector}}.as_count()',
  bad: 'sum:istio.mesh.request.count{destination:{service},{selector},response_code:5*}.as_count()',
};
const document: RegistryDocument = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.9 } },
  sources: { counters, mesh },
  services: {
    web: { env: 'production', operation: 'express.request', canary: 'version:{version}' },
    edge: { env: 'production', source: 'mesh', canary: 'version:{version}' },
    // Upper case and underscores: no tag of Datadog's.
    ledger: { env: 'production', source: 'counters', canary: 'Release:{version}' },
  },
  cujs: [
    {
      name: 'pay',
      owner: 'team',
      service: 'web',
      endpoints: ['POST /Orders', { service: 'ledger', method: 'POST', path: '/Entries/{id}' }],
    },
    { name: 'order', owner: 'team', service: 'web', endpoints: ['POST /Orders'] },
    { name: 'edge', owner: 'team', service: 'edge', endpoints: '*' },
    { name: 'book', owner: 'team', service: 'ledger', endpoints: ['POST /Entries/{id}'] },
  ],
};

function resolve(over: Partial<RegistryDocument> = {}, backend: BackendName = 'datadog') {
  const inputs: RegistryInput[] = [{ file: 'r.yaml', document: { ...document, ...over } }];
  return resolveRegistry(inputs, 'sha256:0', dialectOptions(backend));
}

function registryOf(over: Partial<RegistryDocument> = {}): Registry {
  const resolution = resolve(over);
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
  return resolution.registry;
}

const findings = (...given: Parameters<typeof resolve>) => {
  const resolution = resolve(...given);
  return resolution.ok
    ? []
    : resolution.findings.map(({ path, rule, message }) => `${pathText(path)} ${rule}: ${message}`);
};

describe('a source that names its backend', () => {
  it('is read with the dialect of that backend, and so is what it measures', () => {
    const { services, cujs } = registryOf();
    expect([...services.values()].map(({ name, dialect }) => [name, dialect.backend])).toEqual([
      ['web', 'Datadog'],
      ['edge', 'Datadog'],
      ['ledger', 'Prometheus'],
    ]);
    expect(cujs.get('pay')?.endpoints.map(({ resource }) => resource)).toEqual([
      'post_/orders',
      'POST /Entries/{id}',
    ]);
  });

  it('is in no batch with another backend', () => {
    const { batches } = registryOf();
    expect(
      batches.map((batch) => [backendOfBatch(batch), batch.services.map(({ service }) => service.name)]),
    ).toEqual([
      ['datadog', ['edge']],
      ['datadog', ['web']],
      ['prometheus', ['ledger']],
    ]);
  });

  it('needs no name where it is that of the process', () => {
    const { backend: _, ...plain } = counters;
    const services = { ledger: document.services?.ledger as NonNullable<typeof document.services>[string] };
    const of = { sources: { counters: plain }, services, cujs: document.cujs?.slice(3) ?? [] };
    expect(findings(of, 'prometheus')).toEqual([]);
    expect(findings({ ...of, sources: { counters } }, 'prometheus')).toEqual([]);
    expect(findings(of, 'datadog').join('\n')).toContain('sources.counters.total source-template');
  });

  it('has its mistakes told by that backend, at their places', () => {
    expect(
      findings({ sources: { mesh, counters: { ...counters, bad: 'another_total{job="{service}"}' } } }),
    ).toEqual([expect.stringContaining('sources.counters.bad source-template')]);
    const services = {
      ...document.services,
      ledger: { env: 'production', source: 'counters', canary: 'version-tag:{version}' },
    };
    expect(findings({ services })).toEqual([
      expect.stringMatching(/^services\.ledger\.canary selector: .*"version-tag" may hold only/),
    ]);
  });

  it('is refused where there is no such backend, and nothing that it measures is reported as well', () => {
    const sources = { mesh, counters: { ...counters, backend: 'abacus', total: '???' } };
    const resolution = resolve({ sources });
    expect(resolution).toMatchObject({
      ok: false,
      findings: [
        {
          path: ['sources', 'counters', 'backend'],
          rule: 'unknown-backend',
          value: 'abacus',
          unknown: { name: 'abacus', known: Object.keys(dialects) },
        },
      ],
    });
    const thanos = resolve({ sources: { mesh, counters: { ...counters, backend: 'thanos' } } });
    expect(thanos).toMatchObject({
      findings: [{ rule: 'unknown-backend', fix: 'Write backend: prometheus, whose API it has.' }],
    });
  });

  it('is another question than the same source of another backend', () => {
    const [batch] = registryOf().batches;
    const asked = (of: NonNullable<typeof batch>) =>
      queryKey({
        batch: of,
        canary: { terms: [] },
        stable: undefined,
        fromMs: 0,
        toMs: 60_000,
        stepMs: 60_000,
      });
    const batchOf = (dialect: (typeof dialects)[BackendName]) => ({
      ...(batch as NonNullable<typeof batch>),
      services: (batch?.services ?? []).map((one) => ({ ...one, service: { ...one.service, dialect } })),
    });
    expect(asked(batchOf(dialects.datadog))).not.toBe(asked(batchOf(dialects.prometheus)));
  });
});

describe('the part of one backend', () => {
  it('has CUJs as a whole or not at all', () => {
    const { registry, leftOut, otherServices } = partOfBackend(registryOf(), dialects.datadog);
    expect([...registry.cujs.keys()]).toEqual(['order', 'edge']);
    expect([...registry.services.keys()]).toEqual(['web', 'edge']);
    expect([...registry.sources.keys()]).toEqual(['mesh']);
    expect(registry.batches.map(backendOfBatch)).toEqual(['datadog', 'datadog']);
    expect([...registry.batchOfService.keys()].sort()).toEqual(['edge', 'web']);
    expect(leftOut.map(({ name }) => name)).toEqual(['pay', 'book']);
    expect(otherServices).toEqual(['ledger']);
  });

  it('may have single SLIs of a CUJ, each as a whole or not at all', () => {
    const cujs = [
      {
        name: 'pay',
        owner: 'team-pay',
        service: 'web',
        slo: { availability: 99.9, latency: 99 },
        endpoints: [
          { method: 'POST' as const, path: '/orders', latencyMs: 300 },
          { service: 'ledger', method: 'POST' as const, path: '/entries/{id}' },
        ],
      },
    ];
    const all = partOfBackend(registryOf({ cujs }), dialects.datadog, 'sli');
    const pay = all.registry.cujs.get('pay');
    // Availability is over both backends, latency over one.
    expect(Object.keys(pay?.objectives ?? {})).toEqual(['latency']);
    expect(pay?.endpoints.map(({ label }) => label)).toEqual(['POST /orders']);
    expect([all.leftOut, leftOutNames(all)]).toEqual([[], ['pay (availability)']]);
    expect(partOfBackend(registryOf({ cujs }), dialects.prometheus, 'sli').leftOut).toHaveLength(1);
  });

  it('is all of a registry that no other backend measures', () => {
    const cujs = document.cujs?.slice(1, 3) ?? [];
    const { ledger: _, ...services } = document.services ?? {};
    const registry = registryOf({ services, cujs });
    expect(partOfBackend(registry, dialects.datadog)).toEqual({
      registry,
      leftOut: [],
      leftOutSlis: [],
      otherServices: [],
    });
  });
});

it('a source that moves to another backend is noticed by rollouts in flight', () => {
  const before = registryOf();
  const { backend: _, ...total } = counters;
  const sum = 'sum:requests{service:{service},{selector}}.as_count()';
  const moved = {
    ...total,
    total: sum,
    bad: 'sum:requests{service:{service},{selector},code:5*}.as_count()',
    groupBy: 'route',
  };
  const services = {
    ...document.services,
    ledger: { env: 'production', source: 'counters', canary: 'release:{version}' },
  };
  const changes = compareRegistries(before, registryOf({ services, sources: { mesh, counters: moved } }));
  expect(changes.map(({ rule, message }) => `${rule}: ${message}`)).toContainEqual(
    expect.stringMatching(
      /^other-traffic: .*"ledger".*source from counters \(Prometheus\) to counters \(Datadog\)/,
    ),
  );
});
