import type {
  BatchQuery,
  DescribeQueries,
  MetricsSource,
  Series,
  SideCounts,
} from '../../src/domain/metrics/metrics-source.ts';
import { bucketMs } from '../../src/domain/metrics/metrics-source.ts';
import type { Backend, BackendDefinition } from '../../src/domain/ports/backend.ts';
import type { QueryBatch } from '../../src/domain/registry/model.ts';
import type { Selector, SelectorTerm } from '../../src/domain/registry/selector.ts';
import type { Source, SourceDialect } from '../../src/domain/registry/source-dialect.ts';
import { baseUrl, keyText, type SettingRows, type ValuesOf } from '../../src/domain/setting.ts';

/**
 * A metrics backend for tests, which differs from Datadog: it stores tag values and routes unchanged, with upper case and
 * braces.
 */

interface TallySource extends Source {
  readonly counter: string;
}

const tagValue = /^[A-Za-z0-9_ ./{}-]+$/;

export const tallyDialect: SourceDialect = {
  backend: 'Tally',
  versionTag: 'the label Release',
  addressSetting: 'TALLY_URL',
  parseSource(name, { total, bad, groupBy }) {
    const problems = Object.entries({ total, bad })
      .filter(([, text]) => !/^[A-Z]\w*$/.test(text))
      .map(([field, text]) => ({
        field: field as 'total' | 'bad',
        message: `"${text}" is no counter of Tally`,
        fix: 'Write the name of a counter, such as ShopRequests.',
      }));
    if (problems.length > 0) return { ok: false, problems };
    return { ok: true, source: { name, groupBy, counter: total } satisfies TallySource };
  },
  isTagKey: (key) => /^[A-Za-z]+$/.test(key),
  tagKeyCharacters: 'A-Z a-z',
  storedTagValue: (raw) => raw,
  isSafeTagValue: (value) => tagValue.test(value),
  tagValueCharacters: 'A-Z a-z 0-9 _ space . / { } -',
  maxTagValueLength: 60,
  endpointTag: 'Route',
  endpointKey: (method, path) => `${method} ${path}`,
  maxEndpointListLength: 500,
  retentionMs: 30 * 86_400_000,
};

export const describeTallyQueries: DescribeQueries = (batch, canary, stable) => {
  const [first] = batch.services;
  const canaryText = canary === undefined ? templateText(first?.service.canary.terms) : selectorText(canary);
  const stableText = stable === undefined ? `NOT (${canaryText})` : selectorText(stable);
  return [
    { name: 'canary', query: `${counterOf(batch)} WHERE ${canaryText} BY Service, Route` },
    { name: 'stable', query: `${counterOf(batch)} WHERE ${stableText} BY Service, Route` },
  ];
};

function counterOf({ template }: QueryBatch): string {
  return (template as TallySource | undefined)?.counter ?? 'Requests';
}

function selectorText({ terms }: Selector): string {
  return terms.map(({ key, value }) => `${key}=${value}`).join(' AND ');
}

function templateText(terms: readonly SelectorTerm[] = []): string {
  const text = (part: SelectorTerm['parts'][number]) => (typeof part === 'string' ? part : `{${part.param}}`);
  return terms.map(({ key, parts }) => `${key}=${parts.map(text).join('')}`).join(' AND ');
}

/** Stored data of the backend: this many requests in every minute, with these tags. */
export interface Stored {
  readonly service: string;
  readonly route: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly perMinute: number;
  readonly badPerMinute: number;
}

const tallyRows = {
  TALLY_URL: {
    required: true,
    default: undefined,
    description: 'Base URL of Tally.',
    read: baseUrl('http://tally'),
  },
  TALLY_TOKEN: { default: undefined, description: 'Token for Tally.', read: keyText, secret: true },
} as const satisfies SettingRows;

interface TallySettings {
  readonly url: string | undefined;
  readonly token: string | undefined;
}

/** The row of a list of backends: all that a process and its commands need. */
export function tallyBackend(stored: () => readonly Stored[]): BackendDefinition<TallySettings> {
  return {
    dialect: tallyDialect,
    settingRows: tallyRows,
    readSettings: ({ TALLY_URL: url, TALLY_TOKEN: token }: ValuesOf<typeof tallyRows>) => ({ url, token }),
    open: async ({ token }) => openTally(stored, token ?? ''),
  };
}

/** What a process opens: without keys, an API beside the counts, or error budgets. */
function openTally(stored: () => readonly Stored[], secret: string): Backend {
  return {
    describeQueries: describeTallyQueries,
    source: async () => tallySource(stored),
    sharing: { secret, origin: 'http://tally' },
    holdOff: () => {},
    pages: () => [],
    tagHits: undefined,
    traffic: undefined,
    errorBudgets: undefined,
    close: async () => {},
  };
}

/** Counts the stored requests with exactly the queried tags and routes. */
export function tallySource(stored: () => readonly Stored[], clockSkewMs = 0): MetricsSource {
  return {
    async measure(query: BatchQuery) {
      const minutes = Math.ceil((query.toMs - query.fromMs) / bucketMs);
      const seriesOf = (some: readonly Stored[]): Series | undefined => {
        if (some.length === 0) return undefined;
        const sum = (count: (one: Stored) => number) =>
          new Float64Array(minutes).fill(some.reduce((all, one) => all + count(one), 0));
        return { total: sum(({ perMinute }) => perMinute), bad: sum(({ badPerMinute }) => badPerMinute) };
      };
      const has = (selector: Selector) => (one: Stored) =>
        selector.terms.every(({ key, value }) => one.tags[key] === value);
      const isCanary = has(query.canary);
      const isStable = query.stable === undefined ? (one: Stored) => !isCanary(one) : has(query.stable);
      const services = query.batch.services.map(({ service, resources }) => {
        const own = stored().filter((one) => one.service === service.name);
        const side = (some: readonly Stored[]): SideCounts => ({
          whole: seriesOf(some),
          requests: new Map(
            resources.flatMap((resource) => {
              const series = seriesOf(some.filter(({ route }) => route === resource));
              return series === undefined ? [] : [[resource, series] as const];
            }),
          ),
          latency: new Map(),
        });
        const all = seriesOf(own);
        return [
          service.name,
          {
            canary: side(own.filter(isCanary)),
            stable: side(own.filter(isStable)),
            ...(query.stable === undefined || all === undefined ? {} : { allTraffic: all.total }),
          },
        ] as const;
      });
      return {
        fromMs: query.fromMs,
        toMs: query.toMs,
        stepMs: bucketMs,
        services: new Map(services),
        queries: describeTallyQueries(query.batch, query.canary, query.stable),
        clockSkewMs,
      };
    },
  };
}
