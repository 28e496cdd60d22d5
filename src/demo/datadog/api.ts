import { scalarAnswer, timeseriesAnswer, v1QueryAnswer } from './answers.ts';
import type { Call } from './call.ts';
import { readEvent, type StoredEvent } from './events.ts';
import type { Fault } from './faults.ts';
import { parseFormulaRequest } from './formula-request.ts';
import { Rejection } from './rejection.ts';
import { type StoredSlo, sloHistory } from './slo.ts';
import { spoilAnswer } from './spoil.ts';
import type { EventStore, Metric } from './store.ts';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ApiContext {
  readonly store: EventStore;
  readonly slos: ReadonlyMap<string, StoredSlo>;
  /** Where events go. */
  readonly events: StoredEvent[];
  readonly nowMs: number;
  readonly keys: {
    readonly apiKey?: string;
    readonly applicationKey?: string;
    readonly eventsApiKey?: string;
  };
  readonly faults: readonly Fault[];
  /** Where retention is enforced: its start, epoch milliseconds. */
  readonly retainedFromMs: number | null;
  /** Timeseries are never answered in finer buckets; 0 where any interval is honoured. */
  readonly minIntervalMs: number;
  readonly declaresItself: boolean;
}

type Handler = (call: Call, context: ApiContext, argument: string) => Answer;

/** Newer endpoints answer as JSON:API. */
const JSON_API = { 'Content-Type': 'application/vnd.api+json' };

/** Datadog has this at a host of its own. */
const eventsPath = /^\/api\/v2\/events$/;

const ROUTES: ReadonlyArray<readonly [method: string, path: RegExp, handler: Handler]> = [
  [
    'GET',
    /^\/api\/v1\/validate$/,
    (_call, { declaresItself }) => ok({ valid: true, ...(declaresItself ? { simulation: true } : {}) }),
  ],
  ['POST', eventsPath, postEvent],
  ['POST', /^\/api\/v2\/query\/(timeseries|scalar)$/, formulaQuery],
  ['GET', /^\/api\/v1\/query$/, v1Query],
  ['GET', /^\/api\/v1\/metrics$/, activeMetrics],
  ['GET', /^\/api\/v1\/metrics\/([^/]+)$/, metadata],
  ['GET', /^\/api\/v2\/metrics\/([^/]+)\/all-tags$/, allTags],
  ['GET', /^\/api\/v1\/slo$/, listSlos],
  [
    'GET',
    /^\/api\/v1\/slo\/([^/]+)$/,
    (_call, context, id) => ok({ data: findSlo(context, id), errors: null }),
  ],
  ['GET', /^\/api\/v1\/slo\/([^/]+)\/history$/, history],
];

/** Answers one call; throws a Rejection for what Datadog would refuse. */
export function answerCall(call: Call, context: ApiContext): Answer {
  checkKeys(call, context);
  const [match, handler] = ROUTES.flatMap(([method, path, candidate]) => {
    const found = method === call.method ? path.exec(call.path) : null;
    return found === null ? [] : [[found, candidate] as const];
  })[0] ?? [null, null];
  if (match === null) throw new Rejection(`Not found: ${call.method} ${call.path}`, 404);
  return handler(call, context, match[1] ?? '');
}

function checkKeys(call: Call, { keys }: ApiContext): void {
  if (eventsPath.test(call.path)) {
    // An intake: no application key.
    const expected = keys.eventsApiKey ?? keys.apiKey;
    if (expected !== undefined && call.headers['dd-api-key'] !== expected)
      throw new Rejection('Forbidden', 403);
    return;
  }
  const isValidate = call.path === '/api/v1/validate';
  const apiKey = call.headers['dd-api-key'];
  if (isValidate && keys.apiKey !== undefined && apiKey === undefined)
    throw new Rejection('API key required', 403);
  const isWrong = (expected: string | undefined, given: unknown): boolean =>
    expected !== undefined && given !== expected;
  if (isWrong(keys.apiKey, apiKey)) throw new Rejection('Forbidden', 403);
  if (!isValidate && isWrong(keys.applicationKey, call.headers['dd-application-key'])) {
    throw new Rejection('Forbidden', 403);
  }
}

function formulaQuery(call: Call, context: ApiContext, kind: string): Answer {
  const request = parseFormulaRequest(call.body, kind as 'timeseries' | 'scalar');
  if (context.retainedFromMs !== null && request.toMs < context.retainedFromMs) {
    throw new Rejection('Queries ending outside the retention date are invalid');
  }
  const attributes =
    kind === 'timeseries'
      ? timeseriesAnswer(request, context.store, context.minIntervalMs)
      : { columns: scalarAnswer(request, context.store) };
  const spoiled = spoilAnswer(attributes, request, context.faults);
  return { ...ok({ data: { id: '0', type: `${kind}_response`, attributes: spoiled } }), headers: JSON_API };
}

function postEvent(call: Call, { events, nowMs }: ApiContext): Answer {
  const event = readEvent(call.body, nowMs);
  events.push(event);
  const uid = `simulated-${events.length}`;
  return {
    status: 202,
    body: {
      data: { type: 'event', attributes: { attributes: { evt: { id: uid, uid } } } },
      links: { self: `https://app.datadoghq.com/event/explorer?uid=${uid}` },
    },
    headers: JSON_API,
  };
}

function v1Query(call: Call, { store }: ApiContext): Answer {
  const [from, to] = [seconds(call, 'from'), seconds(call, 'to')];
  const query = call.search.get('query');
  if (!query) throw new Rejection('query is required');
  if (from >= to) throw new Rejection(`from (${from}) must be before to (${to})`);
  return ok(v1QueryAnswer(query, from, to, store));
}

function activeMetrics(call: Call, { store }: ApiContext): Answer {
  const from = seconds(call, 'from');
  return ok({ from: String(from), metrics: store.activeMetrics(from * 1000) });
}

function metadata(_call: Call, { store }: ApiContext, name: string): Answer {
  const { type } = findMetric(store, name);
  return ok({
    type,
    unit: type === 'distribution' ? 'second' : null,
    per_unit: null,
    description: null,
    short_name: null,
    integration: null,
    statsd_interval: type === 'count' ? 10 : null,
  });
}

function allTags(_call: Call, { store }: ApiContext, name: string): Answer {
  const { series } = findMetric(store, name);
  const visible = series.filter((one) => store.hasVisible(one, 0));
  const tags = new Set(visible.flatMap((one) => [...one.tags].map(([key, value]) => `${key}:${value}`)));
  return ok({ data: { id: name, type: 'metrics', attributes: { tags: [...tags].sort() } } });
}

function listSlos(call: Call, { slos }: ApiContext): Answer {
  const list = (name: string): string[] => call.search.get(name)?.split(',').filter(Boolean) ?? [];
  const [ids, tags] = [list('ids'), list('tags_query')];
  const [text, metric] = [call.search.get('query')?.toLowerCase(), call.search.get('metrics_query')];
  const found = [...slos.values()].filter(
    (slo) =>
      (ids.length === 0 || ids.includes(slo.id)) &&
      tags.every((tag) => slo.tags?.includes(tag)) &&
      (!text || slo.name.toLowerCase().includes(text)) &&
      (!metric || `${slo.query.numerator} ${slo.query.denominator}`.includes(metric)),
  );
  const offset = Number(call.search.get('offset') ?? 0);
  const limit = Number(call.search.get('limit') ?? 1000);
  const page = { total_count: slos.size, total_filtered_count: found.length };
  return ok({ data: found.slice(offset, offset + limit), errors: [], metadata: { page } });
}

function history(call: Call, context: ApiContext, id: string): Answer {
  const slo = findSlo(context, id);
  const [from, to] = [seconds(call, 'from_ts'), seconds(call, 'to_ts')];
  if (from >= to) throw new Rejection(`from_ts (${from}) must be before to_ts (${to})`);
  const target = call.search.get('target');
  if (target !== null && !(Number(target) > 0 && Number(target) < 100))
    throw new Rejection(`target must be a percentage, not ${JSON.stringify(target)}`);
  const custom = target === null ? undefined : Number(target);
  return ok({ data: sloHistory(slo, from, to, context.store, custom), errors: null });
}

function findSlo({ slos }: ApiContext, id: string): StoredSlo {
  const slo = slos.get(id);
  if (slo === undefined) throw new Rejection(`SLO ${id} not found`, 404);
  return slo;
}

function findMetric(store: EventStore, name: string): Metric {
  const metric = store.metric(name);
  if (metric === undefined) throw new Rejection(`metric ${name} not found`, 404);
  return metric;
}

function seconds(call: Call, name: string): number {
  const text = call.search.get(name);
  if (text === null || !/^\d+$/.test(text)) {
    throw new Rejection(`${name} must be a whole number of seconds, not ${JSON.stringify(text)}`);
  }
  return Number(text);
}

const ok = (body: unknown): Answer => ({ status: 200, body });
