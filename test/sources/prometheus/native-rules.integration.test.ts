import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import { openslo } from '../../../src/generate/openslo/openslo.ts';
import { prometheusSloRules } from '../../../src/generate/prometheus/slo-rules.ts';
import { documentsOf } from '../../generate/example.ts';
import { BackendProcesses } from './backend-process.ts';
import { addPrometheus } from './prometheus-program.ts';
import { counterText, nativeHistogram, protobufType } from './protobuf-exposition.ts';
import { isInstalled, testedBackends } from './real-backends.ts';
import { replayRules } from './replay-rules.ts';
import { document, randomOf, registryOf } from './traffic.ts';

/**
 * Generated rules of native histograms, as Prometheus itself scrapes and evaluates them. The exporter dates its samples, so that 50 minutes
 * are scraped within seconds; the rules are replayed over them, one after the other, and then loaded.
 */

const scrapeMs = 30_000;
const lastScrape = 100;
const beginMs = Math.floor(Date.now() / scrapeMs) * scrapeMs - lastScrape * scrapeMs - 30_000;
const timeOf = (scrape: number) => beginMs + scrape * scrapeMs;

interface Pod {
  readonly name: string;
  /** Of its histogram, which others add up with theirs; undefined: it has none. */
  readonly schema: (scrape: number) => number | undefined;
  readonly from?: number;
  readonly until?: number;
  readonly restart?: number;
  readonly isIdle?: true;
}

const pods: readonly Pod[] = [
  { name: 'fine', schema: () => 3, restart: 40 },
  { name: 'coarse', schema: () => 0 },
  { name: 'reduced', schema: (scrape) => (scrape < 60 ? 5 : 2) },
  { name: 'untimed', schema: () => undefined, from: 20, until: 32 },
  { name: 'idle', schema: () => 3, isIdle: true },
];
const routes = [
  { method: 'POST', route: '/Orders/{id}', latencyMs: 250 },
  { method: 'GET', route: '/Orders/{id}/Items', latencyMs: 1_000 },
] as const;
type Route = (typeof routes)[number];

const random = randomOf(40);
/** The durations in ms that one scrape is the first to show. From scrape 60 on, three of five are slow. */
const durations = new Map<string, readonly number[]>();
const keyOf = (pod: Pod, { route }: Route, scrape: number) => `${pod.name} ${route} ${scrape}`;
for (let scrape = 0; scrape <= lastScrape; scrape += 1) {
  for (const pod of pods) {
    for (const route of routes) {
      const count = pod.isIdle && scrape > 0 ? 0 : 5 + Math.floor(random() * 10);
      const own = Array.from({ length: count }, () => {
        const isSlow = random() < (scrape < 60 ? 0.02 : 0.6);
        const times = isSlow ? [1.001, 1.05, 1.9, 30] : [0.01, 0.4, 0.999, 1];
        return (times[Math.floor(random() * times.length)] as number) * route.latencyMs;
      });
      durations.set(keyOf(pod, route, scrape), own);
    }
  }
}

const isThereAt = ({ from = 0, until = Number.POSITIVE_INFINITY }: Pod, scrape: number) =>
  scrape >= from && scrape < until;

/** What the processes show at one scrape. */
function exposition(scrape: number): Buffer {
  return Buffer.concat(
    pods
      .filter((pod) => isThereAt(pod, scrape))
      .flatMap((pod) =>
        routes.flatMap((route) => {
          const first = pod.restart !== undefined && scrape >= pod.restart ? pod.restart : (pod.from ?? 0);
          const seen: number[] = [];
          for (let one = first; one <= scrape; one += 1)
            seen.push(...(durations.get(keyOf(pod, route, one)) ?? []));
          const labels = { service: 'orders', pod: pod.name, method: route.method, route: route.route };
          const atMs = timeOf(scrape);
          const schema = pod.schema(scrape);
          const seconds = seen.map((ms) => ms / 1000);
          return [
            counterText('requests_total', { ...labels, code: '200' }, seen.length, atMs),
            ...(schema === undefined
              ? []
              : [nativeHistogram('request_duration_seconds', labels, seconds, { schema, atMs })]),
          ];
        }),
      ),
  );
}

/** Requests a second of the five minutes before 7 s after a scrape, as `rate()` extrapolates those between its first and last scrape. */
function truthOf(scrape: number, of: readonly Route[], limitOf: (route: Route) => number) {
  const [first, seconds] = [scrape - 9, 270];
  const counts = { requests: 0, slow: 0, untimed: 0 };
  for (let one = first + 1; one <= scrape; one += 1) {
    for (const pod of pods.filter((pod) => isThereAt(pod, one))) {
      for (const route of of) {
        const own = durations.get(keyOf(pod, route, one)) ?? [];
        counts.requests += own.length;
        if (pod.schema(one) === undefined) counts.untimed += own.length;
        else counts.slow += own.filter((ms) => ms > limitOf(route)).length;
      }
    }
  }
  return Object.values(counts).map((count) => count / seconds) as [number, number, number];
}

const registry = registryOf({
  ...document,
  defaults: { slo: { latency: 99 }, gate: { maxWindow: '30m' } },
  sources: {
    app: {
      total: 'requests_total{service="{service}"}',
      bad: 'requests_total{service="{service}",code=~"5.."}',
      duration: 'request_duration_seconds{service="{service}"}',
      groupBy: 'method/route',
    },
  },
  cujs: [
    {
      ...{ name: 'order', owner: 'team', service: 'orders' },
      endpoints: routes.map(({ method, route, latencyMs }) => ({ method, path: route, latencyMs })),
    },
    { name: 'all', owner: 'team', service: 'orders', endpoints: '*', latencyMs: 500 },
  ],
} as RegistryDocument);

interface Answer {
  readonly status: string;
  readonly warnings?: readonly string[];
  readonly data: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly value?: readonly [number, string];
      readonly values?: readonly (readonly [number, string])[];
    }[];
  };
}

const programs = testedBackends.filter((one) => one === 'prometheus' || one === 'prometheus-3');

describe.each(programs)('rules of native histograms in a real %s', (program) => {
  const isThere = isInstalled(program);
  let processes: BackendProcesses;
  let exporter: Server;
  let url: string;

  async function query(kind: 'query' | 'query_range', parameters: Readonly<Record<string, string>>) {
    const response = await fetch(`${url}/api/v1/${kind}`, {
      method: 'POST',
      body: new URLSearchParams(parameters),
    });
    const answer = (await response.json()) as Answer;
    expect(answer).toMatchObject({ status: 'success' });
    expect(answer.warnings ?? []).toEqual([]);
    return answer.data.result;
  }

  /** By endpoint, 7 s after a scrape. */
  async function recordedAt(scrape: number, name: string, cuj: string) {
    const time = String(timeOf(scrape) / 1000 + 7);
    const found = await query('query', { query: `${name}{cuj="${cuj}"}`, time });
    return new Map(found.map(({ metric, value }) => [metric.endpoint ?? '', Number(value?.[1])]));
  }

  beforeAll(async () => {
    if (!isThere) return;
    processes = new BackendProcesses(program);
    const rules = join(processes.folder, 'cujs.rules.yaml');
    let shown: Buffer = Buffer.alloc(0);
    exporter = createServer((_, response) => {
      response.setHeader('content-type', protobufType);
      response.end(shown);
    });
    exporter.listen(0, '127.0.0.1');
    await once(exporter, 'listening');
    const target = `127.0.0.1:${(exporter.address() as AddressInfo).port}`;
    const options = { program, series: [], target, isNative: true, scrapeInterval: '200ms', rules } as const;
    url = await addPrometheus(processes, program, options);
    for (let scrape = 0; scrape <= lastScrape; scrape += 1) {
      shown = exposition(scrape);
      // A scrape may be lost on a busy machine, and samples that it lacks are not accepted later.
      const [time, one] = [
        String(timeOf(scrape) / 1000),
        'timestamp(requests_total{pod="fine",method="GET"})',
      ];
      while (Number((await query('query', { query: one, time }))[0]?.value?.[1]) !== Number(time))
        await delay(10);
    }
    shown = Buffer.alloc(0);
    const [file] = prometheusSloRules(registry);
    const [fromMs, toMs] = [beginMs + 7_000, timeOf(lastScrape) + 7_000];
    await replayRules(url, file?.text ?? '', { fromMs, toMs, stepMs: 60_000 });
    writeFileSync(rules, file?.text ?? '');
  }, 300_000);
  afterAll(async () => {
    exporter?.closeAllConnections();
    exporter?.close();
    await processes?.close();
  });

  it.runIf(isThere)('count slow and untimed requests as an independent count does', async () => {
    const names = ['requests', 'requests_bad', 'requests_unclassified'].map(
      (name) => `cuj_endpoint:${name}:rate5m`,
    );
    // With all resolutions, a pod without a histogram, a restart, a coarser resolution, and a fault.
    for (const scrape of [18, 30, 48, 66, lastScrape]) {
      for (const [cuj, endpoint, truth] of [
        ...routes.map(
          (route) =>
            [
              'order',
              `${route.method} ${route.route}`,
              truthOf(scrape, [route], () => route.latencyMs),
            ] as const,
        ),
        ['all', '*', truthOf(scrape, routes, () => 500)] as const,
      ]) {
        if (scrape === 30) expect(truth[2]).toBeGreaterThan(0.1);
        if (scrape === lastScrape) expect(truth[1]).toBeGreaterThan(0.5);
        for (const [i, name] of names.entries()) {
          const found = (await recordedAt(scrape, name, cuj)).get(endpoint);
          expect(found, `${name} of ${endpoint} at ${scrape}`).toBeCloseTo(truth[i] as number, 9);
        }
      }
    }
  });

  it.runIf(isThere)('burn the budget where requests are slow, and alert', { timeout: 60_000 }, async () => {
    const slow = (await recordedAt(lastScrape, 'cuj:error_ratio:rate5m', 'order')).get('');
    const [requests, bad] = routes
      .map((route) => truthOf(lastScrape, [route], () => route.latencyMs))
      .reduce(([a, b], [c, d]) => [a + c, b + d, 0]) as [number, number, number];
    expect(slow).toBeCloseTo(bad / requests, 9);
    const firing = async () => {
      const { data } = (await (await fetch(`${url}/api/v1/alerts`)).json()) as {
        data: { alerts: readonly { labels: Readonly<Record<string, string>>; state: string }[] };
      };
      return data.alerts
        .filter(({ labels }) => labels.alertname === 'CujBurnsErrorBudget' && labels.window === '1h')
        .map(({ labels, state }) => `${labels.cuj} ${labels.severity} ${state}`)
        .sort();
    };
    expect((await fetch(`${url}/-/reload`, { method: 'POST' })).ok).toBe(true);
    await expect.poll(firing).toEqual(['all page firing', 'order page firing']);
    const response = await fetch(`${url}/api/v1/rules`);
    const { data } = (await response.json()) as {
      data: { groups: readonly { rules: readonly { name: string; lastError?: string }[] }[] };
    };
    const errors = data.groups.flatMap(({ rules }) => rules.flatMap(({ lastError }) => lastError ?? []));
    expect(errors).toEqual([]);
  });

  it.runIf(isThere)('have an OpenSLO whose counters are whole numbers', async () => {
    const all = openslo(registry).flatMap(({ text }) => documentsOf(text));
    const slo = all.find(({ kind, metadata }) => kind === 'SLO' && metadata.name === 'order-latency');
    const { good, total } = slo.spec.indicator.spec.ratioMetric;
    // One that is a little less than before would be a counter that began again.
    const [within, requests] = await Promise.all(
      [good, total].map(async ({ metricSource }) => {
        const [found] = await query('query_range', {
          ...{ query: metricSource.spec.query, step: String(scrapeMs / 1000) },
          start: String(beginMs / 1000 + 7),
          end: String(timeOf(lastScrape) / 1000 + 7),
        });
        return (found?.values ?? []).map(([, value]) => Number(value));
      }),
    );
    expect(within).toHaveLength(lastScrape + 1);
    expect(within?.filter((count) => !Number.isInteger(count))).toEqual([]);
    const seen = pods.flatMap((pod) =>
      routes.flatMap((route) =>
        Array.from({ length: lastScrape + 1 }, (_, scrape) =>
          isThereAt(pod, lastScrape) && scrape >= (pod.restart ?? 0)
            ? (durations.get(keyOf(pod, route, scrape)) ?? []).map((ms) => ms <= route.latencyMs)
            : [],
        ).flat(),
      ),
    );
    expect([within?.at(-1), requests?.at(-1)]).toEqual([
      seen.filter((isWithin) => isWithin).length,
      seen.length,
    ]);
  });
});
