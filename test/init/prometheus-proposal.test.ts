import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import {
  chooseCanary,
  type ProposedService,
  proposePrometheusRegistry,
  routeOfEndpoint,
} from '../../src/init/prometheus-proposal.ts';
import { prometheusDialect } from '../../src/sources/prometheus/query/dialect.ts';
import {
  type CounterOptions,
  type ProposedSource,
  presetSource,
  serviceIn,
  sourceWithPrefix,
} from '../../src/sources/prometheus/query/found-counters.ts';

const preset = (name: string, of: string, options: CounterOptions = {}) =>
  presetSource(name, of, options) as ProposedSource;
const service = (endpoints: readonly string[], change: Partial<ProposedService> = {}): ProposedService => {
  const routes = endpoints.map((endpoint) => routeOfEndpoint(endpoint, 0.01));
  return {
    name: 'checkout',
    source: preset('http', 'opentelemetry'),
    canary: { label: 'service_version', note: 'found' },
    routes: routes.flatMap((route) => ('why' in route ? [] : [route])),
    leftOut: routes.flatMap((route) => ('why' in route ? [route] : [])),
    notes: [],
    share: 1,
    ...change,
  };
};
const proposal = (...services: ProposedService[]) =>
  proposePrometheusRegistry({ env: 'production', services, leftOut: [], from: 'a test', top: 60, notes: [] });
const resolve = (text: string) =>
  resolveRegistry([{ file: 'cujs.yaml', document: parse(text) as RegistryDocument }], 'sha256:0', {
    dialect: prometheusDialect,
  });

describe('the label of the canary', () => {
  const shares = (...values: string[]) => new Map(values.map((value) => [value, 50]));

  it.each([
    [
      'is the one with several values',
      { service_version: ['v1'], release: ['a', 'b'] },
      'release',
      /^versions: a, b$/,
    ],
    [
      'is the first of several',
      { version: ['v1', 'v2'], release: ['a', 'b'] },
      'version',
      /also: release \(a, b\)$/,
    ],
    [
      'is one with a single value where there is no better',
      { version: [''], release: ['a'] },
      'release',
      /^CHECK: a only/,
    ],
    [
      'is not one whose values say nothing',
      { version: ['unknown', 'latest'], release: ['a'] },
      'release',
      /^CHECK/,
    ],
    [
      'is the usual one where there is none',
      { version: [''] },
      'destination_version',
      /^CHECK: no series has/,
    ],
    [
      'is refused where a request could not name it',
      { version: ['a"b', 'c,d'] },
      'version',
      /^CHECK: its values cannot/,
    ],
    [
      'may be missing of some',
      { version: ['v1', 'v2', ''] },
      'version',
      /33.3% of the requests have no version/,
    ],
  ])('%s', (_, candidates, label, note) => {
    const found = new Map(Object.entries(candidates).map(([name, values]) => [name, shares(...values)]));
    const chosen = chooseCanary(found, 'destination_version');
    expect(chosen.label).toBe(label);
    expect(chosen.note).toMatch(note);
  });
});

describe('an endpoint of labels', () => {
  it.each([
    ['GET /orders/8271', /identifier 8271/],
    ['GET /orders/9f0c3bd2-6c3a-4c4e-9a59-0d1f2d8f4a11/items', /identifier 9f0c3bd2/],
    ['GET /search?q=a', /holds a query/],
    ['*', /cannot be/],
    [`/${'x'.repeat(300)}`, /longer than 200/],
  ])('%s is left out', (endpoint, why) => {
    expect(routeOfEndpoint(endpoint, 0.5)).toMatchObject({ why: expect.stringMatching(why) });
  });

  it.each(['POST /Orders/{id}', 'GET /products/[id]', 'GET /404', 'query Search', '/orders', 'GET /v2/a'])(
    '%s is asked for as it stands',
    (endpoint) => {
      expect(routeOfEndpoint(endpoint, 0.5)).toMatchObject({ label: endpoint, resource: endpoint });
    },
  );
});

describe('a proposal over Prometheus', () => {
  it('judges a service as one where its source has no endpoints, and says where a request of GraphQL is', () => {
    const mesh = service([], { name: 'ledger', source: preset('mesh', 'istio') });
    const text = proposal(mesh, service(['POST /graphql', 'GET /healthz']));
    expect(text).toContain('endpoints: "*" # istio_requests_total does not tell endpoints apart');
    expect(text).toContain('- POST /graphql # 1%; CHECK: GraphQL answers most failures with 200');
    expect(text).toContain('#   checkout: GET /healthz (1%): a health check');
    const resolved = resolve(text);
    expect(resolved).toMatchObject({ ok: true, warnings: [] });
    expect(resolved.ok && [...resolved.registry.cujs.keys()]).toEqual(['ledger', 'graphql']);
  });

  it('writes sources out for services whose label has a namespace', () => {
    const given = preset('http', 'opentelemetry');
    expect(serviceIn(given, 'shop/checkout', '')).toEqual({ name: 'checkout', prefix: 'shop/' });
    const shop = sourceWithPrefix('http-shop', given, 'shop/');
    const text = proposal(
      service(['GET /a'], { source: shop }),
      service(['GET /b'], { name: 'pay', source: given }),
    );
    expect(text).toContain('total: http_server_request_duration_seconds_count{job="shop/{service}"}\n');
    const resolved = resolve(text);
    expect(resolved.ok && resolved.registry.services.get('checkout')?.source).toBe('http-shop');
    expect(resolved.ok && resolved.registry.services.get('pay')?.source).toBe('http');
  });

  it('is a registry that validates, whatever the values of labels are', () => {
    const segment = fc.oneof(
      fc.constantFrom(
        'api',
        ':id',
        '{id}',
        '[id]',
        '[...x]',
        'true',
        'on',
        '1e3',
        "it's",
        '"',
        '\n',
        '\\',
        'a: b',
      ),
      fc.constantFrom(
        '#x',
        '&a',
        '*',
        '%',
        '{{x}}',
        '商品',
        '',
        '$X',
        '- a',
        '!!js',
        '\u202e',
        '\u0000',
        '|',
        '?a=1',
      ),
      fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }),
    );
    const endpoint = fc
      .tuple(
        fc.constantFrom('GET ', 'POST ', 'get ', '_OTHER ', '', 'query '),
        fc.array(segment, { minLength: 1, maxLength: 4 }),
      )
      .map(([method, segments]) => `${method}/${segments.join('/')}`);
    const values = fc.array(fc.string({ maxLength: 8, unit: 'grapheme' }), { maxLength: 3 });
    fc.assert(
      fc.property(fc.array(endpoint, { maxLength: 20 }), values, (endpoints, versions) => {
        const canary = chooseCanary(
          new Map([['version', new Map(versions.map((one) => [one, 1]))]]),
          'release',
        );
        const first = service([...new Set(endpoints)], { canary, notes: endpoints });
        const text = proposal(first, service([...new Set(endpoints)].reverse(), { name: 'null' }));
        const resolved = resolve(text);
        expect(resolved.ok, resolved.ok ? '' : JSON.stringify(resolved.findings)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
