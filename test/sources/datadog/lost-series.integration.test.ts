import { describe, expect, it } from 'vitest';
import {
  type TimeseriesAttributes as SeriesAnswer,
  timeseriesAnswer,
} from '../../../src/demo/datadog/answers.ts';
import type { MissingSeries } from '../../../src/demo/datadog/faults.ts';
import { type FormulaRequest, parseFormulaRequest } from '../../../src/demo/datadog/formula-request.ts';
import { spoilAnswer } from '../../../src/demo/datadog/spoil.ts';
import { EventStore } from '../../../src/demo/datadog/store.ts';
import type { Verdict } from '../../../src/domain/judge/judge.ts';
import type { BatchQuery, Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import { createEvaluator } from '../../../src/evaluation/evaluator.ts';
import { snapshotOf } from '../../../src/sources/datadog/api/snapshot.ts';
import { readAttributes } from '../../../src/sources/datadog/api/timeseries-response.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';
import { planQueries } from '../../../src/sources/datadog/query/query-plan.ts';

/**
 * Every series of the simulator's answer is lost in turn, as a whole or some of its points: a verdict may become
 * inconclusive by that, never a pass or a fail that it was not.
 */

const rules = ['confidence', 'baseline', 'strict'] as const;
const now = Date.UTC(2026, 0, 31, 12, 0, 0);
const minute = 60_000;

/** Events a minute: other statuses than 5XX, 5XX, without a status; and how many of all are slow. */
interface Flow {
  readonly fine: number;
  readonly bad?: number;
  readonly without?: number;
  readonly slow?: number;
  /** Only in so many of the minutes are any bad; in all by default. */
  readonly badMinutes?: number;
}

/** Traffic of one endpoint: of the canary over 20 minutes, of stable over 50. */
interface Traffic {
  readonly service: string;
  readonly endpoint: string;
  readonly canary: Flow;
  readonly stable: Flow;
}

function record(store: EventStore, { service, endpoint, ...sides }: Traffic): void {
  for (const [side, version, minutes] of [
    ['canary', 'v2', 20],
    ['stable', 'v1', 50],
  ] as const) {
    const { fine, bad = 0, without = 0, slow = 0, badMinutes = minutes } = sides[side];
    for (let ago = 3; ago < 3 + minutes; ago += 1) {
      const at = now - ago * minute + 20_000;
      const failed = (ago - 3) % Math.ceil(minutes / badMinutes) === 0 ? bad : 0;
      const parts = [
        [200, fine],
        [503, failed],
        [undefined, without],
      ] as const;
      for (const [statusCode, count] of parts) {
        const late = statusCode === 200 ? slow : 0;
        store.recordRequests({
          env: 'production',
          operation: 'http.request',
          service,
          version,
          resource: endpoint,
          at,
          count,
          durations: [
            [0.1, count - late],
            [0.9, late],
          ],
          ...(statusCode === undefined ? {} : { statusCode, grpcCode: statusCode === 200 ? 0 : 14 }),
        });
        const code = statusCode === undefined ? {} : { code: String(statusCode) };
        if (count > 0)
          store.addCount('mesh.hits', at, count, { app: service, version, route: endpoint, ...code });
        if (count > 0 && service === 'api')
          recordViews(store, at, count, version, endpoint, statusCode === 503);
      }
    }
  }
}

const application = '3c5d1c9e-7a52-4d1f-9b7e-0f6a5f0c2e11';

/** The same as views of a client, by the metrics that are made of them. */
function recordViews(
  store: EventStore,
  at: number,
  count: number,
  version: string,
  name: string,
  isFailed: boolean,
): void {
  const tags = { env: 'production', version, view_name: name };
  store.addCount('cuj_gate.rum.browser_3c5d1c9e.views', at, count, tags);
  for (const definition of ['error', 'error_slow_4000ms'])
    store.addCount(
      `cuj_gate.rum.browser_3c5d1c9e.views.${isFailed ? 'failed' : 'good'}.${definition}`,
      at,
      count,
      tags,
    );
}

const clean = { fine: 400, bad: 1, badMinutes: 5 };
const api = (endpoint: string, canary: Flow, stable: Flow): Traffic => ({
  service: 'api',
  endpoint,
  canary,
  stable,
});
const web = (canary: Flow, stable: Flow): Traffic => ({
  service: 'web',
  endpoint: 'GET /home',
  canary,
  stable,
});

const worlds: Readonly<Record<string, readonly Traffic[]>> = {
  'a good release': [
    api('GET /me', { fine: 100 }, clean),
    api('POST /pay', { fine: 5 }, { fine: 20 }),
    web({ fine: 60 }, { fine: 200 }),
  ],
  'a release with one bad event': [
    api('GET /me', { fine: 40, bad: 1, badMinutes: 1 }, clean),
    api('POST /pay', { fine: 2 }, { fine: 20 }),
    web({ fine: 30 }, { fine: 200 }),
  ],
  'a release with three bad events': [
    api('GET /me', { fine: 20 }, clean),
    api('POST /pay', { fine: 2, bad: 1, badMinutes: 3 }, { fine: 20 }),
    web({ fine: 10 }, { fine: 200 }),
  ],
  'a bad release': [
    api('GET /me', { fine: 95, bad: 5 }, clean),
    api('POST /pay', { fine: 5 }, { fine: 20 }),
    web({ fine: 60 }, { fine: 200 }),
  ],
  'a bad release of a small endpoint': [
    api('GET /me', { fine: 200 }, clean),
    api('POST /pay', { fine: 0, bad: 1 }, { fine: 20 }),
    web({ fine: 60, bad: 0 }, { fine: 200 }),
  ],
  'a cause that both sides share': [
    api('GET /me', { fine: 95, bad: 5 }, { fine: 380, bad: 20 }),
    api('POST /pay', { fine: 5, bad: 1 }, { fine: 20, bad: 4 }),
    web({ fine: 60, bad: 3 }, { fine: 200, bad: 10 }),
  ],
  'a cause that they share, of which stable saw little': [
    api('GET /me', { fine: 95, bad: 1, badMinutes: 4 }, { fine: 380, bad: 3, badMinutes: 9 }),
    api('POST /pay', { fine: 5 }, { fine: 20 }),
    web({ fine: 60 }, { fine: 20 }),
  ],
  'a service that has always been below its SLO': [
    api('GET /me', { fine: 98, bad: 2 }, { fine: 392, bad: 8 }),
    api('POST /pay', { fine: 5 }, { fine: 20 }),
    web({ fine: 60 }, { fine: 200 }),
  ],
  'requests without a status on the canary': [
    api('GET /me', { fine: 70, without: 30 }, clean),
    api('POST /pay', { fine: 5 }, { fine: 20 }),
    web({ fine: 60 }, { fine: 200 }),
  ],
  'as many without a status on both sides': [
    api('GET /me', { fine: 70, without: 30 }, { fine: 280, without: 120 }),
    api('POST /pay', { fine: 5, without: 1 }, { fine: 20, without: 4 }),
    web({ fine: 60 }, { fine: 200 }),
  ],
  'no status anywhere': [
    api('GET /me', { fine: 0, without: 100 }, { fine: 0, without: 400 }),
    api('POST /pay', { fine: 0, without: 5 }, { fine: 0, without: 20 }),
    web({ fine: 60 }, { fine: 200 }),
  ],
  'a slow release': [
    api('GET /me', { fine: 100, slow: 60 }, { ...clean, slow: 8 }),
    api('POST /pay', { fine: 5, slow: 1 }, { fine: 20, slow: 1 }),
    web({ fine: 60 }, { fine: 200 }),
  ],
  'slow on both sides': [
    api('GET /me', { fine: 100, slow: 60 }, { fine: 400, slow: 240 }),
    api('POST /pay', { fine: 5, slow: 4 }, { fine: 20, slow: 16 }),
    web({ fine: 60, slow: 30 }, { fine: 200, slow: 100 }),
  ],
  'hardly any traffic': [
    api('GET /me', { fine: 3, bad: 1, badMinutes: 2 }, { fine: 12, bad: 1, badMinutes: 4 }),
    api('POST /pay', { fine: 1 }, { fine: 2 }),
    web({ fine: 2 }, { fine: 4 }),
  ],
};

const traced = (stable?: string) => ({
  env: 'production',
  operation: 'http.request',
  canary: 'version:{version}',
  ...(stable === undefined ? {} : { stable }),
});
const paths = ['GET /me', 'POST /pay'];
const timed = (...endpoints: readonly string[]) =>
  endpoints.map((text) => {
    const [method, path] = text.split(' ') as [string, string];
    return { method, path, latencyMs: 300 };
  });
const cuj = (name: string, endpoints: unknown, more: object = {}) => ({
  name,
  owner: 'team',
  service: 'api',
  endpoints,
  ...more,
});
const latency = { slo: { availability: 99.9, latency: 90 } };

/** Both sides of a journey. */
const onClient = (fails: readonly unknown[]) => ({
  slo: { availability: 99.9, client: 99.9 },
  client: { service: 'browser', views: paths, fails },
});
const browser = { env: 'production', application, canary: 'version:{version}' };

const documents: Readonly<Record<string, Written>> = {
  'the whole service': { services: { api: traced() }, cujs: [cuj('all', '*')] },
  'the whole service, stable by a selector': {
    services: { api: traced('version:{stable}') },
    cujs: [cuj('all', '*')],
  },
  'the whole service with latency': {
    services: { api: traced() },
    cujs: [cuj('all', '*', { ...latency, latencyMs: 300 })],
  },
  'endpoints with latency': {
    services: { api: traced('version:{stable}') },
    cujs: [cuj('both', timed(...paths), latency), cuj('pay', ['POST /pay'])],
  },
  'endpoints beside the whole service': {
    services: { api: traced() },
    cujs: [
      cuj('all', '*', { ...latency, latencyMs: 500 }),
      cuj('me', timed('GET /me'), latency),
      cuj('pay', ['POST /pay']),
    ],
  },
  'two services': {
    services: { api: traced(), web: traced() },
    cujs: [
      cuj('across', [...paths, { service: 'web', method: 'GET', path: '/home' }]),
      cuj('web', '*', { service: 'web' }),
      cuj('api', '*'),
    ],
  },
  'the whole service by marks of errors': {
    services: { api: { ...traced(), failure: 'errors' } },
    cujs: [cuj('all', '*')],
  },
  'the whole service by statuses of gRPC': {
    services: { api: { ...traced(), failure: 'grpc' } },
    cujs: [cuj('all', '*')],
  },
  'endpoints by several definitions of failure': {
    services: { api: traced('version:{stable}') },
    cujs: [
      cuj('errors', paths, { failure: 'errors' }),
      cuj('mixed', [
        { method: 'GET', path: '/me', failure: 'grpc' },
        { method: 'POST', path: '/pay', failure: ['5xx', 401] },
      ]),
      cuj('pay', ['POST /pay']),
    ],
  },
  'a client': {
    services: { api: traced(), browser },
    cujs: [cuj('both', paths, onClient(['error']))],
  },
  'a client by several definitions of failure, stable by a selector': {
    services: { api: traced('version:{stable}'), browser: { ...browser, stable: 'version:{stable}' } },
    cujs: [
      cuj('errors', paths, onClient(['error'])),
      cuj('slow', ['POST /pay'], onClient(['error', { slow: '4s' }])),
    ],
  },
  'a source template': {
    sources: {
      mesh: {
        total: 'sum:mesh.hits{app:{service},{selector}}.as_count()',
        bad: 'sum:mesh.hits{app:{service},{selector},code:5*}.as_count()',
        groupBy: 'route',
      },
    },
    services: {
      api: { env: 'production', source: 'mesh', canary: 'version:{version}' },
      web: { env: 'production', source: 'mesh', canary: 'version:{version}' },
    },
    cujs: [
      cuj('all', '*'),
      cuj('pay', [{ resource: 'post_/pay' }]),
      cuj('across', [{ resource: 'get_/me' }, { service: 'web', resource: 'get_/home' }]),
    ],
  },
};

interface Written {
  readonly sources?: object;
  readonly services: object;
  readonly cujs: readonly { readonly name: string }[];
}

/** The registry of a document, with each of its CUJs under every rule. */
function registryOf({ cujs, ...rest }: Written) {
  const document = {
    apiVersion: 'cuj-gate/v1',
    defaults: { slo: { availability: 99.9 }, gate: { maxWindow: '45m', minRequests: 20 } },
    ...rest,
    cujs: rules.flatMap((rule) => cujs.map((of) => ({ ...of, name: `${of.name}-${rule}`, gate: { rule } }))),
  } as RegistryDocument;
  const resolved = resolveRegistry([{ file: 'cujs.yaml', document }], `sha256:${'0'.repeat(64)}`, {
    dialect: datadogDialect,
  });
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.findings));
  return resolved.registry;
}

interface Known {
  readonly request: FormulaRequest;
  readonly answer: SeriesAnswer;
}

/** The simulator's answers over one store. */
class Answers {
  readonly #store: EventStore;
  readonly #known = new Map<string, Known>();
  readonly #taken = new Map<string, Promise<Snapshot>>();
  #lost: { readonly batch: string; readonly fault: MissingSeries } | undefined;

  constructor(traffics: readonly Traffic[]) {
    this.#store = new EventStore({ now: () => now });
    for (const traffic of traffics) record(this.#store, traffic);
  }

  /** From now on this is missing in the answer for one batch. */
  lose(batch: string, fault: MissingSeries): void {
    this.#lost = { batch, fault };
    this.#taken.clear();
  }

  /** How many series the answer for each batch has. */
  get sizes(): readonly (readonly [batch: string, series: number])[] {
    return [...this.#known].map(([batch, { answer }]) => [batch, answer.series.length]);
  }

  /** The query and the group of a series. */
  nameOf(batch: string, nth: number): string {
    const { request, answer } = this.#known.get(batch) as Known;
    const { query_index: query, group_tags: tags } = answer.series[nth] as SeriesAnswer['series'][number];
    return `${request.formulas[query]?.text} {${tags.join()}}`;
  }

  readonly measure = (query: BatchQuery): Promise<Snapshot> => {
    const { id } = query.batch;
    const taken = this.#taken.get(id) ?? this.#take(query);
    this.#taken.set(id, taken);
    return taken;
  };

  async #take(query: BatchQuery): Promise<Snapshot> {
    const { batch, canary, stable, fromMs, toMs } = query;
    const plan = planQueries(batch, canary, stable);
    let known = this.#known.get(batch.id);
    if (known === undefined) {
      const queries = plan.queries.map((asked) => ({ data_source: 'metrics', ...asked }));
      const formulas = queries.map(({ name }) => ({ formula: name }));
      const attributes = { from: fromMs, to: toMs, interval: minute, formulas, queries };
      const request = parseFormulaRequest({ data: { type: 'timeseries_request', attributes } }, 'timeseries');
      known = { request, answer: timeseriesAnswer(request, this.#store) };
      this.#known.set(batch.id, known);
    }
    const lost =
      this.#lost?.batch === batch.id ? [{ kind: 'missing_series', ...this.#lost.fault } as const] : [];
    const attributes = spoilAnswer(known.answer, known.request, lost);
    return snapshotOf(plan, query, readAttributes({ data: { type: 'timeseries_response', attributes } }));
  }
}

/** What else than all of a series is lost: all of these of each would take minutes, so some take turns. */
const points = ['oldest', 'newest', 'older_half', 'newer_half', 'every_second'] as const;

describe.each(Object.entries(documents))('%s', (_, document) => {
  const registry = registryOf(document);
  const params = new Map([['version', 'v2']]);
  if (JSON.stringify(document).includes('{stable}')) params.set('stable', 'v1');

  async function judged(answers: Answers): Promise<ReadonlyMap<string, Verdict>> {
    const evaluator = createEvaluator({ registry: () => registry, now: () => now, source: answers });
    const verdicts = new Map<string, Verdict>();
    for (const cuj of registry.cujs.keys()) {
      const { verdict } = await evaluator.cuj({ cuj, params }, new AbortController().signal);
      verdicts.set(cuj, verdict);
    }
    return verdicts;
  }

  it.each(Object.entries(worlds))('keeps its verdicts: %s', async (__, traffics) => {
    const answers = new Answers(traffics);
    const truth = await judged(answers);
    const flips: string[] = [];
    for (const { reason, summary } of truth.values()) if (reason === 'source_malformed') flips.push(summary);
    for (const [batch, size] of answers.sizes) {
      for (let nth = 0; nth < size; nth += 1) {
        const parts = nth % 2 === 0 ? [] : points.slice(nth % points.length).slice(0, 1);
        for (const part of ['all', ...parts] as const) {
          answers.lose(batch, { nth, points: part });
          for (const [name, { verdict, summary }] of await judged(answers)) {
            const was = truth.get(name) as Verdict;
            if (verdict !== 'inconclusive' && verdict !== was.verdict)
              flips.push(`${name}, ${answers.nameOf(batch, nth)} (${part}): ${was.summary} -> ${summary}`);
          }
        }
      }
    }
    expect(flips).toEqual([]);
  });
});
