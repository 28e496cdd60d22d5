import { afterAll, describe, expect, it } from 'vitest';
import type { EventStore } from '../../src/demo/datadog/store.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { MINUTE, NOON } from '../demo/datadog/fixture.ts';
import { clinic, closeAll, visit } from './clinic.ts';

/** What doctor says about definitions of failure: whether their data is there, and whether objectives fit. */

afterAll(closeAll);

type Outcome = Readonly<{ statusCode?: number; grpcCode?: number; isError?: boolean; count: number }>;

async function doctored(
  operation: string,
  failure: unknown,
  outcomes: readonly Outcome[],
  more: object = {},
) {
  const simulator = await clinic();
  trade(simulator.store, operation, outcomes);
  const document = {
    apiVersion: 'cuj-gate/v1',
    defaults: { slo: { availability: 99 } },
    services: { shop: { env: 'production', operation, canary: 'version:{version}' } },
    cujs: [
      { name: 'buy', owner: 'team', service: 'shop', endpoints: [{ resource: 'buy' }], failure, ...more },
    ],
  } as unknown as RegistryDocument;
  const { findings } = await visit(simulator, document);
  return findings.map(({ severity, check, message }) => `${severity} ${check}: ${message}`);
}

function trade(store: EventStore, operation: string, outcomes: readonly Outcome[]) {
  for (const { count, isError = false, ...status } of outcomes) {
    for (const version of ['v1', 'v2']) {
      store.recordRequests({
        env: 'production',
        service: 'shop',
        version,
        operation,
        resource: 'buy',
        at: NOON - 30 * MINUTE,
        count,
        errors: isError ? count : 0,
        ...status,
      });
    }
  }
}

const about = (findings: readonly string[], check: string) =>
  findings.filter((finding) => finding.includes(` ${check}: `));

describe('doctor', () => {
  it('is content with statuses of gRPC as the queries expect them', async () => {
    const found = await doctored('grpc.server', 'grpc', [
      { grpcCode: 0, count: 1_000 },
      { grpcCode: 5, count: 300 },
      { grpcCode: 14, count: 1 },
    ]);
    expect(found.filter((one) => !one.startsWith('info '))).toEqual([]);
    expect(about(found, 'no-bad-events-seen')).toEqual([]);
  });

  it('reports that hits have no status of gRPC, as with an Agent before 7.65', async () => {
    const found = await doctored('grpc.server', 'grpc', [{ count: 1_000 }]);
    expect(about(found, 'status-code-missing')).toEqual([
      'error status-code-missing: 2,000 of 2,000 hits have no rpc.grpc.status_code',
    ]);
  });

  it('reports statuses of gRPC that are no numbers', async () => {
    const simulator = await clinic();
    const tags = { env: 'production', service: 'shop', version: 'v1', resource_name: 'buy' };
    simulator.store.addCount('trace.grpc.server.hits', NOON - 30 * MINUTE, 900, {
      ...tags,
      'rpc.grpc.status_code': 'unavailable',
    });
    const document = {
      apiVersion: 'cuj-gate/v1',
      defaults: { slo: { availability: 99 } },
      services: {
        shop: { env: 'production', operation: 'grpc.server', canary: 'version:{version}', failure: 'grpc' },
      },
      cujs: [{ name: 'buy', owner: 'team', service: 'shop', endpoints: [{ resource: 'buy' }] }],
    } as unknown as RegistryDocument;
    const { findings } = await visit(simulator, document);
    const [finding] = findings.filter(({ check }) => check === 'grpc-status-other');
    expect(finding).toMatchObject({ severity: 'error' });
    expect(finding?.message).toContain('unavailable (900 hits)');
  });

  it('says where nothing failed, so that the query was not verified', async () => {
    const grpc = await doctored('grpc.server', 'grpc', [{ grpcCode: 0, count: 1_000 }]);
    expect(about(grpc, 'no-bad-events-seen')).toHaveLength(1);
    const some = [{ count: 1_000 }, { count: 1, isError: true }];
    expect(about(await doctored('graphql.execute', 'errors', some), 'no-bad-events-seen')).toEqual([]);
  });

  it('warns where there is no metric of errors', async () => {
    const found = await doctored('graphql.execute', 'errors', [{ count: 1_000 }]);
    expect(about(found, 'metric-missing')).toEqual([
      'warning metric-missing: there is no metric trace.graphql.execute.errors with points in the last day, by which failures are told (failure: errors)',
    ]);
    // No status is expected of it.
    expect(about(found, 'status-code-missing')).toEqual([]);
  });

  it('finds operations of GraphQL whose tracer names them by their whole text', async () => {
    const simulator = await clinic();
    simulator.store.recordRequests({
      env: 'production',
      service: 'shop',
      version: 'v1',
      operation: 'graphql.execute',
      resource: 'query Search($term:String!){search(term:$term){id}}',
      at: NOON - 30 * MINUTE,
      count: 100,
    });
    const document = {
      apiVersion: 'cuj-gate/v1',
      defaults: { slo: { availability: 99 } },
      services: {
        shop: {
          env: 'production',
          operation: 'graphql.execute',
          canary: 'version:{version}',
          failure: 'errors',
        },
      },
      cujs: [{ name: 'find', owner: 'team', service: 'shop', endpoints: ['query Search'] }],
    } as unknown as RegistryDocument;
    const { findings } = await visit(simulator, document);
    const finding = findings.find(({ check }) => check === 'graphql-signature');
    expect(finding?.message).toContain('query_search_term:string_search_term:_term_id');
    expect(finding?.fix).toContain('signature: false');
  });

  it('says where a CUJ is below its objective by statuses that happen in normal use', async () => {
    const storm = [
      { statusCode: 200, count: 950 },
      { statusCode: 401, count: 50 },
    ];
    expect(about(await doctored('http.request', ['5xx', 401], storm), 'objective-does-not-fit')).toEqual([
      'warning objective-does-not-fit: 5% of 2,000 requests of the last day failed (5xx, 401), and the objective of 99% allows 1%',
    ]);
    const fits = { slo: { availability: 90 } };
    expect(
      about(await doctored('http.request', ['5xx', 401], storm, fits), 'objective-does-not-fit'),
    ).toEqual([]);
    expect(about(await doctored('http.request', '5xx', storm), 'objective-does-not-fit')).toEqual([]);
  });
});
