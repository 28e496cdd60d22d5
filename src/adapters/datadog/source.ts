import type { HttpLibrary } from '@datadog/datadog-api-client/dist/packages/datadog-api-client-common/index.js';
import type { MetricsApi } from '@datadog/datadog-api-client/dist/packages/datadog-api-client-v2/apis/MetricsApi.js';
import type { TimeseriesFormulaQueryRequest } from '@datadog/datadog-api-client/dist/packages/datadog-api-client-v2/models/TimeseriesFormulaQueryRequest.js';
import { SourceError } from '../../domain/errors.ts';
import { bucketMs, type MetricsSource, type ScopeQuery } from '../../domain/metrics-source.ts';
import { planQueries } from '../../domain/query-plan.ts';
import type { QueryPlan } from '../../domain/query-set.ts';
import { malformed, readAttributes } from './answer.ts';
import type { DatadogConnection } from './connection.ts';
import { snapshotOf } from './snapshot.ts';

/**
 * The MetricsSource over Datadog: one POST /api/v2/query/timeseries for each scope. The client package takes seconds
 * to load, so it is loaded here and not with this module.
 */
export async function createDatadogSource(connection: DatadogConnection): Promise<MetricsSource> {
  const ask = await createAsker(connection);
  return {
    async measure(query: ScopeQuery, signal: AbortSignal) {
      const plan = planQueries(query.batch, query.canary, query.stable);
      const body = requestOf(plan, query);
      const attributes = await connection.attempt(
        async (inner) => readAttributes(await ask(body, inner)),
        signal,
      );
      // Not tried again: what arrived whole and contradicts itself would most likely arrive so again.
      return snapshotOf(plan, query, attributes);
    },
  };
}

/** Milliseconds, minutes, and a formula of its own for each query, so that no answer is told apart by position alone. */
function requestOf({ queries }: QueryPlan, { fromMs, toMs }: ScopeQuery): TimeseriesFormulaQueryRequest {
  return {
    data: {
      type: 'timeseries_request',
      attributes: {
        from: fromMs,
        to: toMs,
        interval: bucketMs,
        formulas: queries.map(({ name }) => ({ formula: name })),
        queries: queries.map(({ name, query }) => ({ dataSource: 'metrics', name, query })),
      },
    },
  };
}

type Asker = (body: TimeseriesFormulaQueryRequest, signal: AbortSignal) => Promise<unknown>;

/** The client's MetricsApi over our connection: its types and serialiser, none of its transport, retries or globals. */
async function createAsker(connection: DatadogConnection): Promise<Asker> {
  const [{ MetricsApi }, { Configuration, BaseServerConfiguration, ResponseContext }] = await Promise.all([
    import('@datadog/datadog-api-client/dist/packages/datadog-api-client-v2/apis/MetricsApi.js'),
    import('@datadog/datadog-api-client/dist/packages/datadog-api-client-common/index.js'),
  ]);
  const server = new BaseServerConfiguration(connection.origin, {});
  const httpApi: HttpLibrary = {
    async send(request) {
      const { signal } = request.getHttpConfig();
      const url = new URL(request.getUrl());
      const { headers, text } = await connection.send(
        {
          method: 'POST',
          path: `${url.pathname}${url.search}`,
          headers: request.getHeaders(),
          body: request.getBody() as string,
        },
        signal as AbortSignal,
      );
      return new ResponseContext(200, headers, {
        text: async () => text,
        binary: async () => Buffer.from(text),
      });
    },
  };
  // Not createConfiguration(): it reads the environment, and DD_SITE changes state of the whole module. The keys are
  // the connection's to add.
  const configured = (signal?: AbortSignal) =>
    new Configuration(server, 0, {}, httpApi, {}, signal ? { signal } : {}, false, false, 0, 2, 2, {});
  const api: MetricsApi = new MetricsApi(configured());
  return async (body, signal) => {
    try {
      return await api.queryTimeseriesData({ body }, configured(signal));
    } catch (error) {
      if (error instanceof SourceError || signal.aborted) throw error;
      throw malformed('the client cannot read it', error);
    }
  };
}
