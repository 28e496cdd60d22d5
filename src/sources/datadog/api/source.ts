import type { HttpLibrary } from '@datadog/datadog-api-client/dist/packages/datadog-api-client-common/index.js';
import type { TimeseriesFormulaQueryRequest } from '@datadog/datadog-api-client/dist/packages/datadog-api-client-v2/models/TimeseriesFormulaQueryRequest.js';
import type { TimeseriesFormulaQueryResponse } from '@datadog/datadog-api-client/dist/packages/datadog-api-client-v2/models/TimeseriesFormulaQueryResponse.js';
import type { BatchQuery, MetricsSource } from '../../../domain/metrics/metrics-source.ts';
import { planQueries } from '../query/query-plan.ts';
import type { QueryPlan } from '../query/query-plan-types.ts';
import type { DatadogConnection } from './connection.ts';
import { snapshotOf } from './snapshot.ts';
import { parseJson, readAttributes } from './timeseries-response.ts';

/**
 * The MetricsSource over Datadog: one POST /api/v2/query/timeseries for each scope. The client package takes seconds
 * to load, so it is loaded here and not with this module.
 */
export async function createDatadogSource(connection: DatadogConnection): Promise<MetricsSource> {
  const ask = await createAsker(connection);
  return {
    async measure(query: BatchQuery, signal: AbortSignal) {
      const plan = planQueries(query.batch, query.canary, query.stable);
      const body = requestOf(plan, query);
      const { attributes, clockSkewMs } = await connection.attempt(async (inner) => {
        const answered = await ask(body, inner);
        return { attributes: readAttributes(answered.json), clockSkewMs: answered.clockSkewMs };
      }, signal);
      // Not retried: an answer that arrived whole and contradicts itself would most likely do so again.
      const snapshot = snapshotOf(plan, query, attributes);
      return clockSkewMs === undefined ? snapshot : { ...snapshot, clockSkewMs };
    },
  };
}

/** Times in ms, and a formula for each query, so that answers are told apart by name. */
function requestOf(
  { queries }: QueryPlan,
  { fromMs, toMs, stepMs }: BatchQuery,
): TimeseriesFormulaQueryRequest {
  return {
    data: {
      type: 'timeseries_request',
      attributes: {
        from: fromMs,
        to: toMs,
        interval: stepMs,
        formulas: queries.map(({ name }) => ({ formula: name })),
        // Each query by the client's own model would be tried against eight kinds of query, with an exception thrown
        // for seven: more than half of what a call costs. Additional properties are sent as they stand.
        queries: [],
        additionalProperties: {
          queries: queries.map(({ name, query }) => ({ data_source: 'metrics', name, query })),
        },
      },
    },
  };
}

interface Answered {
  /** Not trusted yet. */
  readonly json: unknown;
  readonly clockSkewMs: number | undefined;
}

type Asker = (body: TimeseriesFormulaQueryRequest, signal: AbortSignal) => Promise<Answered>;

/**
 * The client's MetricsApi over our connection: it writes the request; its transport, retries and globals stay out, and
 * so does its reading. That resolves a 200 with HTML or a cut-off body as an object of characters, hides what it does
 * not know, costs several times what parsing does, and all of it would have to be checked again.
 */
async function createAsker(connection: DatadogConnection): Promise<Asker> {
  const [
    { MetricsApi, MetricsApiRequestFactory, MetricsApiResponseProcessor },
    { Configuration, BaseServerConfiguration, ResponseContext },
  ] = await Promise.all([
    import('@datadog/datadog-api-client/dist/packages/datadog-api-client-v2/apis/MetricsApi.js'),
    import('@datadog/datadog-api-client/dist/packages/datadog-api-client-common/index.js'),
  ]);
  const server = new BaseServerConfiguration(connection.origin, {});
  /** By response: the client passes on the same object that it was given. */
  const skews = new WeakMap<object, number | undefined>();
  const httpApi: HttpLibrary = {
    async send(request) {
      const { signal } = request.getHttpConfig();
      const { headers, text, clockSkewMs } = await connection.send(
        {
          method: 'POST',
          path: request.getUrl().slice(connection.origin.length),
          headers: request.getHeaders(),
          body: request.getBody() as string,
        },
        signal as AbortSignal,
      );
      const response = new ResponseContext(200, headers, {
        text: async () => text,
        binary: async () => Buffer.from(text),
      });
      skews.set(response, clockSkewMs);
      return response;
    },
  };
  // Not createConfiguration(): it reads the environment, and DD_SITE changes state of the whole module. The keys are
  // the connection's to add.
  const configuration = new Configuration(server, 0, {}, httpApi, {}, {}, false, false, 0, 2, 2, {});
  const reader = new MetricsApiResponseProcessor();
  reader.queryTimeseriesData = async (response) => {
    const answered: Answered = {
      json: parseJson(await response.body.text()),
      clockSkewMs: skews.get(response),
    };
    return answered as TimeseriesFormulaQueryResponse;
  };
  const api = new MetricsApi(configuration, new MetricsApiRequestFactory(configuration), reader);
  return (body, signal) => {
    // The client hands each call's own configuration to the request, and that is the way for its signal.
    const httpConfig = { value: { signal }, enumerable: true };
    return api.queryTimeseriesData(
      { body },
      Object.create(configuration, { httpConfig }),
    ) as unknown as Promise<Answered>;
  };
}
