import { afterEach, describe, expect, it } from 'vitest';
import type { DoctorFinding } from '../../src/doctor/finding.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { MINUTE, NOON } from '../demo/datadog/fixture.ts';
import { clinic, closeAll, hits, registryOf, routes, shopDocument, trade, visit } from './clinic.ts';
import { plantSlo } from './slo-of-cuj.ts';

afterEach(closeAll);

/** Checks of a severity, without the notes that are there anyway. */
const checks = (findings: readonly DoctorFinding[], severity = 'error') =>
  findings.filter((finding) => finding.severity === severity).map(({ check }) => check);
const find = (findings: readonly DoctorFinding[], check: string) =>
  findings.find((finding) => finding.check === check);

function changed(change: (document: ReturnType<typeof shopDocument>) => void): RegistryDocument {
  const document = structuredClone(shopDocument());
  change(document);
  return document;
}

describe('a healthy registry', () => {
  it('has no errors and no warnings, and the busy routes of no CUJ are named with their share', async () => {
    const simulator = await clinic();
    trade(simulator);
    const { findings } = await visit(simulator, shopDocument());
    expect(checks(findings)).toEqual([]);
    expect(checks(findings, 'warning')).toEqual([]);
    expect(find(findings, 'routes-in-no-cuj')).toMatchObject({
      about: 'service shop',
      message: expect.stringMatching(/get_\/healthz \(46%\), get_\/recommendations \(15%\)$/),
    });
  });

  it('takes five calls, one more for each further group of services, none of which writes', async () => {
    const simulator = await clinic();
    trade(simulator);
    trade(simulator, { service: 'stock' });
    const { facts } = await visit(
      simulator,
      changed(({ services }) => {
        Object.assign(services as object, {
          stock: { env: 'production', operation: 'express.request', canary: 'version:{version}' },
        });
      }),
    );
    expect(facts.calls).toBe(5);
    expect(simulator.calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /api/v1/validate',
      'GET /api/v1/metrics',
      'GET /api/v2/metrics/trace.express.request.hits/all-tags',
      'POST /api/v2/query/timeseries',
      'GET /api/v1/slo',
    ]);
  });
});

describe('a Datadog that says it is a simulation', () => {
  it('is named, with the tags that the own one may not have', async () => {
    const simulator = await clinic({ declaresItself: true });
    trade(simulator);
    const { findings } = await visit(
      simulator,
      changed(({ services }) => {
        Object.assign(services?.shop as object, {
          canary: 'version:{version},role:canary',
          stable: 'rollouts-pod-template-hash:{hash}',
        });
      }),
    );
    expect(find(findings, 'simulated')).toMatchObject({
      severity: 'warning',
      fix: expect.stringMatching(/without DD_URL\. Your Datadog needs role as additional primary tags\.$/),
    });
  });
});

describe('the mistakes of datadog.md that can be seen', () => {
  it('1: a selector on a span tag, which trace metrics do not have', async () => {
    const simulator = await clinic();
    trade(simulator);
    const { findings } = await visit(
      simulator,
      changed(({ services }) => Object.assign(services?.shop as object, { canary: 'release_track:{track}' })),
    );
    expect(checks(findings)).toEqual(['selector-tag-missing']);
    expect(findings[0]?.verdict).toContain('Inconclusive (no_data)');
    expect(findings[0]?.fix).toMatch(/do not reach trace metrics.*primary tag/);
  });

  it('2: http.status_class on .hits, which excludes nothing', async () => {
    const simulator = await clinic();
    trade(simulator);
    const { findings } = await visit(
      simulator,
      templated('sum:trace.express.request.hits', 'http.status_class:5xx'),
    );
    expect(checks(findings)).toEqual(['filter-tag-missing']);
    expect(findings[0]?.verdict).toContain('100%');
    expect(findings[0]?.fix).toContain('http.status_code:5*');
  });

  it('3: .errors taken for 5XX', async () => {
    const simulator = await clinic();
    trade(simulator);
    const { findings } = await visit(simulator, templated('sum:trace.express.request.errors'));
    expect(checks(findings, 'warning')).toEqual(['errors-are-not-5xx']);
  });

  it('4: http.request hard-coded where the service has another operation', async () => {
    const simulator = await clinic();
    trade(simulator);
    const { findings } = await visit(
      simulator,
      changed(({ services }) => Object.assign(services?.shop as object, { operation: 'http.request' })),
    );
    expect(checks(findings)).toEqual(['operation-without-hits']);
    expect(findings[0]?.fix).toContain('operation: express.request');
  });

  it("4: http.request of a Node service, which is there, but is its outgoing requests'", async () => {
    const simulator = await clinic();
    trade(simulator);
    trade(simulator, { operation: 'http.request' }, { 'POST /charge': 700 });
    const { findings } = await visit(
      simulator,
      changed(({ services }) => Object.assign(services?.shop as object, { operation: 'http.request' })),
    );
    expect(checks(findings)).toContain('operation-of-other-spans');
    expect(find(findings, 'operation-of-other-spans')?.fix).toContain('express.request');
  });

  it('5: raw paths as resource names', async () => {
    const simulator = await clinic();
    const raw = Object.fromEntries(['17', '18', '19'].map((id) => [`GET /items/${id}`, 500]));
    trade(simulator, {}, { ...raw, 'POST /orders': 400, 'GET /search': 2_000 });
    const { findings } = await visit(simulator, shopDocument());
    expect(checks(findings)).toEqual(['raw-paths']);
    expect(findings[0]).toMatchObject({
      about: 'cuj buy: GET /items/:id',
      message: expect.stringContaining('3 raw paths that match its placeholder'),
    });
  });

  it('5: a route that the framework writes otherwise, with the name that it has', async () => {
    const simulator = await clinic();
    const { 'GET /items/:id': items, ...others } = routes;
    trade(simulator, {}, { ...others, 'GET /items/{id}': items as number });
    const { findings } = await visit(simulator, shopDocument());
    expect(checks(findings)).toEqual(['endpoint-name']);
    expect(findings[0]?.message).toContain('get_/items/_id (5,002 hits)');
    expect(findings[0]?.fix).toMatch(/^Write the route as the framework reports it, or/);
  });

  it('5: a name written with resource: that is nearly another, and its SLO after it', async () => {
    const simulator = await clinic();
    trade(simulator);
    plantSlo(simulator, registryOf(shopDocument()), 'buy');
    const { findings } = await visit(
      simulator,
      changed(({ cujs }) => {
        Object.assign(cujs?.[0] as object, { endpoints: [{ resource: 'post_/order' }, 'GET /items/:id'] });
      }),
    );
    expect(find(findings, 'endpoint-name')?.fix).toBe('Write { resource: post_/orders } if that is meant.');
    expect(findings.filter(({ check }) => check === 'slo-queries').map(({ fix }) => fix)).toEqual(
      Array(2).fill(
        'Correct the names in the registry first, as the other findings about this CUJ say. If the SLO still differs, apply what cuj-gate generate terraform writes.',
      ),
    );
  });

  it('names an operation without hits before the SLO that differs by it', async () => {
    const simulator = await clinic();
    trade(simulator);
    plantSlo(simulator, registryOf(shopDocument()), 'buy');
    const { findings } = await visit(
      simulator,
      changed(({ services }) => Object.assign(services?.shop as object, { operation: 'expres.request' })),
    );
    expect(checks(findings)).toContain('operation-without-hits');
    expect(find(findings, 'slo-queries')?.fix).toMatch(/^Correct the names in the registry first/);
  });

  it('9: an endpoint without hits is not taken for zero errors', async () => {
    const simulator = await clinic();
    const { 'POST /orders': _, ...others } = routes;
    trade(simulator, {}, others);
    const { findings } = await visit(simulator, shopDocument());
    expect(checks(findings)).toEqual([]);
    expect(checks(findings, 'warning')).toEqual(['endpoint-without-hits']);
  });

  it('an endpoint without a threshold in a CUJ that has no objective but latency', async () => {
    const simulator = await clinic();
    trade(simulator);
    const { findings } = await visit(
      simulator,
      changed(({ defaults, cujs }) => {
        Object.assign(defaults as object, { slo: {} });
        Object.assign(cujs?.[0] as object, { slo: { availability: 99.9 } });
        cujs?.[1]?.endpoints !== '*' && cujs?.[1]?.endpoints?.push('GET /recommendations');
      }),
    );
    expect(checks(findings, 'warning')).toEqual(['endpoint-unjudged']);
    expect(find(findings, 'endpoint-unjudged')?.message).toContain('GET /recommendations');
  });

  it('15: a strict rule that one failure among a few requests breaks', async () => {
    const simulator = await clinic();
    trade(simulator);
    const { findings } = await visit(
      simulator,
      changed(({ cujs }) =>
        Object.assign(cujs?.[0] as object, { gate: { rule: 'strict', minRequests: 50 } }),
      ),
    );
    expect(checks(findings, 'warning')).toEqual(['strict-on-few-requests']);
    expect(find(findings, 'strict-on-few-requests')?.fix).toContain('2000');
  });
});

describe('what else can be wrong', () => {
  it('an env in which the service has no hits, with those in which it has', async () => {
    const simulator = await clinic();
    trade(simulator, { env: 'prod' });
    const { findings } = await visit(simulator, shopDocument());
    expect(checks(findings)).toEqual(['env-without-hits']);
    expect(findings[0]?.message).toContain('prod (19,410)');
  });

  it('a service that is called otherwise', async () => {
    const simulator = await clinic();
    trade(simulator, { service: 'shop-api' });
    const { findings } = await visit(simulator, shopDocument());
    expect(checks(findings)).toEqual(['service-without-hits']);
    expect(findings[0]?.fix).toContain('shop-api');
  });

  it('an organisation without any trace metrics', async () => {
    const { findings } = await visit(await clinic(), shopDocument());
    expect(checks(findings)).toEqual(['metric-missing']);
    expect(findings[0]?.fix).toContain('DD_SITE');
  });

  it('only one version, so that canary and stable may share it', async () => {
    const simulator = await clinic();
    for (const [resource, count] of Object.entries(routes)) {
      simulator.store.recordRequests({
        ...hits,
        resource,
        version: 'v1',
        statusCode: 200,
        at: NOON - 90 * MINUTE,
        count,
      });
    }
    const { findings } = await visit(simulator, shopDocument());
    expect(checks(findings, 'warning')).toEqual(['one-version']);
    expect(find(findings, 'no-bad-events-seen')?.severity).toBe('info');
  });

  it('a selector whose text around the placeholder fits no value', async () => {
    const simulator = await clinic();
    trade(simulator);
    const { findings } = await visit(
      simulator,
      changed(({ services }) =>
        Object.assign(services?.shop as object, { canary: 'version:release-{version}' }),
      ),
    );
    expect(checks(findings)).toEqual(['selector-value-missing']);
    expect(findings[0]?.message).toContain('v1');
  });

  it('a fixed selector of a canary that did not run in the last day is no error', async () => {
    const simulator = await clinic();
    const event = { ...hits, version: 'v1', primaryTags: { role: 'stable' }, at: NOON - 90 * MINUTE };
    for (const [resource, count] of Object.entries(routes)) {
      simulator.store.recordRequests({ ...event, resource, statusCode: 200, count });
    }
    const { findings } = await visit(
      simulator,
      changed(({ services }) => Object.assign(services?.shop as object, { canary: 'role:canary' })),
    );
    expect(checks(findings)).toEqual([]);
    expect(checks(findings, 'warning')).toEqual(['selector-value-missing']);
  });

  it('a CUJ of which nothing has hits', async () => {
    const simulator = await clinic();
    const { 'GET /search': _, ...others } = routes;
    trade(simulator, {}, others);
    const { findings } = await visit(simulator, shopDocument());
    expect(checks(findings)).toEqual(['cuj-without-hits']);
  });

  it('an application that samples, seen beside the mesh', async () => {
    const simulator = await clinic();
    trade(simulator);
    simulator.store.addCount('istio.mesh.request.count', NOON - 90 * MINUTE, 194_100, {
      destination_service_name: 'shop',
      response_code: '200',
    });
    const { findings } = await visit(simulator, shopDocument());
    expect(checks(findings, 'warning')).toEqual(['sample-rate']);
    expect(find(findings, 'sample-rate')?.message).toContain('10%, while sampleRate says 100%');
    const told = changed(({ services }) => Object.assign(services?.shop as object, { sampleRate: 0.1 }));
    expect(checks((await visit(simulator, told)).findings, 'warning')).toEqual([]);
  });
});

describe('keys and scopes', () => {
  it('a wrong API key is the only finding', async () => {
    const simulator = await clinic({ apiKey: 'another' });
    const { findings, facts } = await visit(simulator, shopDocument());
    expect(checks(findings)).toEqual(['api-key-refused']);
    expect(findings[0]?.fix).toContain('DD_SITE');
    expect(facts.calls).toBe(1);
  });

  it('a wrong application key is seen where it is needed', async () => {
    const simulator = await clinic({ applicationKey: 'another' });
    trade(simulator);
    const { findings } = await visit(simulator, shopDocument());
    expect(checks(findings)).toEqual(['queries-refused']);
    expect(checks(findings, 'warning')).toEqual(['metrics-refused', 'tags-refused', 'slos-refused']);
    expect(find(findings, 'queries-refused')?.fix).toContain('timeseries_query');
  });

  it('a key that may not read SLOs leaves everything else checked', async () => {
    const simulator = await clinic();
    trade(simulator);
    simulator.faults.push({ kind: 'status', status: 403, path: '/api/v1/slo' });
    const { findings } = await visit(simulator, shopDocument());
    expect(checks(findings)).toEqual([]);
    expect(find(findings, 'slos-refused')?.fix).toContain('slos_read');
    expect(find(findings, 'routes-in-no-cuj')).toBeDefined();
  });
});

/** The shop as a whole, by a source template over the trace metrics. */
function templated(bad: string, condition?: string): RegistryDocument {
  const filter = 'service:{service},{selector}';
  return changed((document) => {
    Object.assign(document, {
      sources: {
        own: {
          total: `sum:trace.express.request.hits{${filter}}.as_count()`,
          bad: `${bad}{${condition === undefined ? filter : `${filter},${condition}`}}.as_count()`,
        },
      },
      services: { shop: { env: 'production', source: 'own', canary: 'version:{version}' } },
      cujs: [{ name: 'shop', owner: 'team-shop', service: 'shop', endpoints: '*' }],
    });
  });
}
