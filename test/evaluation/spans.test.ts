import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { createEvaluator } from '../../src/evaluation/evaluator.ts';
import { type SpansMetricResource, spansMetricsOf } from '../../src/generate/datadog/terraform-spans.ts';
import { DatadogConnection } from '../../src/sources/datadog/api/connection.ts';
import { createDatadogSource } from '../../src/sources/datadog/api/source.ts';
import { registryOf } from '../generate/example.ts';

/**
 * A canary that is told by a tag of its spans, the whole way: a registry, the metrics that Terraform makes of it, a Datadog that makes
 * counts of spans by them, and verdicts. Both sides have the same version.
 */

const minute = 60_000;
const now = Date.UTC(2026, 0, 31, 12, 0, 0);
const registry = registryOf(parse(readFileSync('test/testdata/spans-registry.yaml', 'utf8')));

let datadog: Simulator | undefined;
let connection: DatadogConnection | undefined;
afterEach(async () => {
  await connection?.close();
  await datadog?.stop();
});

interface Toggled {
  /** Of 100 requests of the canary a minute on POST /toggle; stable has four times as many, and none that fails. */
  readonly failed?: number;
  /** Of 100, those whose span has no status. */
  readonly withoutStatus?: number;
  /** Failures of stable, of 400. */
  readonly stableFailed?: number;
  /** Failed requests to `search` do not get so far that they have the tag which names the endpoint. */
  readonly failsEarly?: true;
  readonly applied?: (metrics: readonly SpansMetricResource[]) => readonly SpansMetricResource[];
}

async function toggle(
  { failed = 0, withoutStatus = 0, stableFailed = 0, failsEarly, applied = (all) => all }: Toggled,
  cuj = 'toggle',
) {
  datadog = await startDatadogSimulator({ now: () => now, apiKey: 'k', applicationKey: 'a' });
  const { store } = datadog;
  for (const metric of applied(spansMetricsOf(registry))) store.spansMetrics.define(metric);
  for (const [track, share, minutes] of [
    ['canary', 1, 20],
    ['stable', 4, 50],
  ] as const) {
    const isCanary = track === 'canary';
    for (let ago = 3; ago < 3 + minutes; ago += 1) {
      const base = { env: 'production', version: 'v1', at: now - ago * minute + 20_000, spanTags: { track } };
      const flags = { ...base, service: 'flags', operation: 'express.request' };
      const bad = isCanary ? failed : stableFailed;
      const unknown = isCanary ? withoutStatus : 0;
      store.recordRequests({
        ...flags,
        resource: 'POST /toggle',
        statusCode: 200,
        count: 100 * share - bad - unknown,
      });
      store.recordRequests({ ...flags, resource: 'POST /toggle', statusCode: 503, count: bad });
      store.recordRequests({ ...flags, resource: 'POST /toggle', count: unknown });
      store.recordRequests({ ...flags, resource: 'GET /flags/{id}', statusCode: 200, count: 100 * share });
      const find = { ...base, service: 'search', operation: 'graphql.execute', resource: 'query Search' };
      const spanTags = { track, feature: 'find' };
      store.recordRequests({ ...find, spanTags, count: 100 * share - bad, errors: 0 });
      store.recordRequests({ ...find, spanTags: failsEarly ? { track } : spanTags, count: bad, errors: bad });
      const transfer = {
        ...base,
        service: 'ledger',
        operation: 'grpc.server',
        resource: '/ledger.v1.Ledger/Transfer',
      };
      store.recordRequests({ ...transfer, grpcCode: 0, count: 100 * share - bad });
      store.recordRequests({ ...transfer, grpcCode: 14, count: bad });
    }
  }
  connection = new DatadogConnection({
    apiKey: 'k',
    appKey: 'a',
    url: datadog.url,
    epochNow: () => now,
    deadlineMs: 20_000,
    clock: { sleep: async () => {}, random: () => 0 },
  });
  const source = await createDatadogSource(connection);
  const evaluator = createEvaluator({ registry: () => registry, now: () => now, source });
  const params = new Map(cuj === 'find' ? [['track', 'canary']] : []);
  const { verdict } = await evaluator.cuj({ cuj, params }, new AbortController().signal);
  return verdict;
}

describe('a canary that is told by a tag of its spans', () => {
  it.each(['toggle', 'find', 'transfer'])(
    'passes where it is good, and fails where it is not: %s',
    async (cuj) => {
      expect(await toggle({}, cuj)).toMatchObject({ verdict: 'pass', reason: 'within_slo' });
      await connection?.close();
      await datadog?.stop();
      expect(await toggle({ failed: 20 }, cuj)).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    },
  );

  it('does not fail by what stable fails as well', async () => {
    expect((await toggle({ failed: 5, stableFailed: 20 })).verdict).not.toBe('fail');
  });

  it('is not told by trace metrics: without the metrics of spans there is no data', async () => {
    expect(await toggle({ applied: () => [] })).toMatchObject({ verdict: 'inconclusive', reason: 'no_data' });
  });

  it.each(['hits', 'good.5xx', 'failed.5xx', 'no_status'])(
    'never passes while it is broken and the metric %s is missing',
    async (name) => {
      const verdict = await toggle({
        failed: 20,
        withoutStatus: 20,
        applied: (all) =>
          all.filter((metric) => metric.name !== `cuj_gate.spans.flags.production.express_request.${name}`),
      });
      expect(verdict.verdict).not.toBe('pass');
    },
  );

  it('does not pass where failures lack the tag that names their endpoint', async () => {
    const verdict = await toggle({ failed: 20, failsEarly: true }, 'find');
    expect(verdict).toMatchObject({ verdict: 'inconclusive', reason: 'source_malformed' });
  });

  it('does not pass requests without a status', async () => {
    expect(await toggle({ withoutStatus: 60 })).toMatchObject({
      verdict: 'inconclusive',
      reason: 'status_missing',
    });
  });
});
