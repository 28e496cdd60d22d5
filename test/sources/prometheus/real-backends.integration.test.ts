import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../src/cli.ts';
import type { Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import { PrometheusConnection } from '../../../src/sources/prometheus/api/connection.ts';
import { readCounters, readPoints } from '../../../src/sources/prometheus/api/matrix-response.ts';
import { createPrometheusSource } from '../../../src/sources/prometheus/api/source.ts';
import { planQuery } from '../../../src/sources/prometheus/query/query-plan.ts';
import { capture } from '../../commands/io.ts';
import { isInstalled, type RealBackend, startBackend, testedBackends } from './real-backends.ts';
import {
  document,
  type Pod,
  podIn,
  podsInAllLives,
  queryOf,
  type Request,
  randomOf,
  registryOf,
  type StoredSeries,
  scrapesOf,
  selector,
  storedSeries,
  truthOf,
} from './traffic.ts';

const minuteMs = 60_000;
/** A whole time of the last hours: Prometheus makes blocks of two hours. */
const fromMs = Math.floor(Date.now() / (5 * minuteMs)) * 5 * minuteMs - 40 * minuteMs;
const toMs = fromMs + 10 * minuteMs;
const past = { fromMs, toMs, stepMs: minuteMs };
const recent = { fromMs, toMs, stepMs: 10_000 };
const never = new AbortController().signal;
const routes = ['POST /Orders/{id}', 'GET /Orders/{id}/Items'];
/** What could end a text in a query, or mean something else in a regular expression. */
const hostileVersions = ['V2"} or vector(1) #', 'V2\\', '.*', 'V1|V2', "V2'", 'V2\n'];

function podsOf(random: () => number): Pod[] {
  const options = { fromMs, toMs, random };
  return [
    ...podsInAllLives(options),
    podIn(options, 'cart-1', { service: 'carts' }),
    // Scraped at both ends of what is asked: Prometheus 3 has the later one only.
    podIn(options, 'stable-even', { phaseMs: 0 }),
    ...hostileVersions.map((version, i) => podIn(options, `other-${i}`, { version })),
  ];
}

function requestsOf(pods: readonly Pod[], random: () => number): Request[] {
  return pods.flatMap((pod) =>
    [...Array(pod.name.startsWith('other') ? 50 : 900)].flatMap((): Request[] => {
      const atMs = Math.floor(pod.bornMs + random() * (toMs + 2 * minuteMs - pod.bornMs));
      if (atMs >= pod.diedMs) return [];
      const [method, route] = (routes[Math.floor(random() * 2)] as string).split(' ') as [string, string];
      const failing = pod.version === 'V2' ? 0.2 : 0.05;
      return [
        { pod, atMs, method, route, code: random() < failing ? '503' : random() < 0.1 ? '401' : '200' },
      ];
    }),
  );
}

function counts(snapshot: Snapshot, side: 'canary' | 'stable', resource?: string) {
  const of = snapshot.services.get('orders')?.[side];
  const found = resource === undefined ? of?.whole : of?.requests.get(resource);
  return found && { total: [...found.total], bad: [...found.bad] };
}

describe.each(testedBackends)('with a real %s', (program) => {
  const isThere = isInstalled(program);
  const random = randomOf(30);
  const pods = podsOf(random);
  const requests = requestsOf(pods, random);
  const connections: PrometheusConnection[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'registry-'));
  let backend: RealBackend;

  beforeAll(async () => {
    if (isThere) {
      const series = [...storedSeries(requests, toMs + 2 * minuteMs), ...upOf(pods)];
      backend = await startBackend(program, { series });
    }
  });
  afterAll(async () => {
    await Promise.all(connections.map((connection) => connection.close()));
    await backend?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function connect({ url, tenant } = backend): PrometheusConnection {
    const connection = new PrometheusConnection({ url, tenant });
    connections.push(connection);
    return connection;
  }

  const orders = () => registryOf({ ...document, cujs: (document.cujs ?? []).slice(0, 1) });
  const measured = (part: Partial<Parameters<typeof queryOf>[0]> = {}) =>
    createPrometheusSource(connect()).measure(queryOf({ ...past, ...part }, orders()), never);

  it.runIf(isThere)('counts what an independent count of the requests does', async () => {
    for (const asked of [past, recent]) {
      const snapshot = await measured(asked);
      expect(snapshot.stepMs).toBe(asked === past ? minuteMs : 5_000);
      expect(Math.abs(snapshot.clockSkewMs ?? Number.NaN)).toBeLessThan(2_000);
      for (const side of ['canary', 'stable'] as const) {
        for (const resource of [undefined, ...routes]) {
          const own = requests.filter(
            ({ pod, method, route }) =>
              pod.service === 'orders' &&
              (pod.version === 'V2') === (side === 'canary') &&
              (resource === undefined || resource === `${method} ${route}`),
          );
          const truth = (some: readonly Request[]) => truthOf(some, snapshot, snapshot.stepMs);
          const expected = { total: truth(own), bad: truth(own.filter(({ code }) => code === '503')) };
          expect(expected.total.reduce((a, b) => a + b)).toBeGreaterThan(100);
          expect(counts(snapshot, side, resource)).toEqual(expected);
        }
      }
    }
  });

  it.runIf(isThere)('counts failures by the definitions of CUJs as an independent count does', async () => {
    const login = { name: 'login', owner: 'team-orders', service: 'orders' };
    const registry = registryOf({
      ...document,
      cujs: [
        { ...login, failure: ['5xx', 401], endpoints: [routes[0] as string] },
        { ...login, name: 'denied', failure: [401], endpoints: '*' },
      ],
    });
    const snapshot = await createPrometheusSource(connect()).measure(queryOf(past, registry), never);
    for (const side of ['canary', 'stable'] as const) {
      for (const [text, resource, codes] of [
        ['5xx, 401', routes[0] as string, ['503', '401']],
        ['401', '*', ['401']],
      ] as const) {
        const own = requests.filter(
          ({ pod, method, route }) =>
            pod.service === 'orders' &&
            (pod.version === 'V2') === (side === 'canary') &&
            (resource === '*' || resource === `${method} ${route}`),
        );
        const found = snapshot.services.get('orders')?.[side].failures?.get(text)?.get(resource);
        const failed = own.filter(({ code }) => (codes as readonly string[]).includes(code));
        expect(failed.length).toBeGreaterThan(20);
        expect([...(found?.total ?? [])]).toEqual(truthOf(own, snapshot, snapshot.stepMs));
        expect([...(found?.bad ?? [])]).toEqual(truthOf(failed, snapshot, snapshot.stepMs));
      }
    }
  });

  it.runIf(isThere)('gives verdicts by it, as of a moment in the past', async () => {
    const evaluated = async (version: string) => {
      const path = join(folder, `${program}.json`);
      writeFileSync(path, JSON.stringify(document));
      const env = {
        CUJ_GATE_BACKEND: 'prometheus',
        CUJ_GATE_PROMETHEUS_URL: backend.url,
        CUJ_GATE_PROMETHEUS_TENANT: backend.tenant,
        CUJ_GATE_REGISTRY: path,
      };
      const { io, stdout, stderr } = capture({ env, now: Date.now });
      const at = new Date(toMs + minuteMs).toISOString();
      const code = await run(['evaluate', 'order', '--param', `version=${version}`, '--at', at], io);
      return `${code} ${stdout()}${stderr()}`;
    };
    expect(await evaluated('V2')).toMatch(/^1 [\s\S]*FAIL order \(slo_violated\)/);
    expect(await evaluated('v2')).toMatch(/^1 [\s\S]*INCONCLUSIVE order \(no_data\)/);
  });

  it.runIf(isThere).each(hostileVersions)('finds exactly the version %j', async (version) => {
    const snapshot = await measured({
      canary: selector('version', version),
      stable: selector('version', 'V1'),
    });
    const own = requests.filter(({ pod }) => pod.version === version);
    expect(counts(snapshot, 'canary')?.total).toEqual(truthOf(own, past, minuteMs));
    const all = requests.filter(({ pod }) => pod.service === 'orders');
    expect([...(snapshot.services.get('orders')?.allTraffic ?? [])]).toEqual(truthOf(all, past, minuteMs));
  });

  it.runIf(isThere)('refuses a canary of which a pod cannot be scraped any more', async () => {
    const busy: Pod = { ...(pods[3] as Pod), name: 'canary-busy', diedMs: fromMs + 5 * minuteMs };
    const stored = [
      ...storedSeries([...requests, ...requestsOf([busy], random)], toMs),
      ...upOf(pods),
      {
        metric: { __name__: 'up', job: 'orders', instance: 'canary-busy:8080' },
        samples: scrapesOf({ ...busy, diedMs: toMs }, toMs).map(
          (atMs) => [atMs, atMs < busy.diedMs ? 1 : 0] as const,
        ),
      },
    ];
    const own = await startBackend(program, { series: stored });
    try {
      const asked = createPrometheusSource(connect(own)).measure(queryOf(recent, orders()), never);
      await expect(asked).rejects.toMatchObject({
        code: 'source_malformed',
        message: expect.stringContaining('up is 0 of "canary-busy:8080"'),
      });
    } finally {
      await own.close();
    }
  });

  it.runIf(isThere)('knows a gap in all scrapes, which is another thing than a new service', async () => {
    const shifted = (byMs: number) =>
      storedSeries(requests, toMs).flatMap(({ metric, samples }) => {
        const late = samples.filter(([atMs]) => atMs > fromMs + byMs);
        return late.length === 0 ? [] : [{ metric, samples: late }];
      });
    const before: StoredSeries = {
      metric: { __name__: 'http_requests_total', job: 'orders', instance: 'old:1', version: 'V0' },
      samples: [
        [fromMs - 30 * minuteMs, 1],
        [fromMs - 29 * minuteMs, 2],
      ],
    };
    for (const [stored, isGap] of [
      [[...shifted(3 * minuteMs), before], true],
      [shifted(3 * minuteMs), false],
    ] as const) {
      const own = await startBackend(program, { series: stored });
      try {
        const asked = createPrometheusSource(connect(own)).measure(queryOf(recent, orders()), never);
        if (isGap)
          await expect(asked).rejects.toMatchObject({ message: expect.stringContaining('no sample at all') });
        else await expect(asked).resolves.toMatchObject({ stepMs: 5_000 });
      } finally {
        await own.close();
      }
    }
  });

  it.runIf(isThere)('finds what a pod had counted before it was not scraped for half an hour', async () => {
    const every = (beginMs: number, endMs: number, valueAt: (atMs: number) => number) =>
      Array.from({ length: Math.floor((endMs - beginMs) / 15_000) + 1 }, (_, i) => {
        const atMs = beginMs + i * 15_000;
        return [atMs, valueAt(atMs)] as const;
      });
    const beganMs = fromMs - 60 * minuteMs;
    const rising = (by: number) => (atMs: number) => 1_000 + by * Math.floor((atMs - beganMs) / 15_000);
    const metric = (instance: string) => ({
      ...{ __name__: 'http_requests_total', job: 'orders', version: 'V1', code: '200' },
      ...{ method: 'POST', route: '/Orders/{id}', instance },
    });
    const series = [
      { metric: metric('there:1'), samples: every(beganMs, toMs, rising(4)) },
      {
        metric: metric('away:1'),
        samples: [
          ...every(beganMs, fromMs - 25 * minuteMs, rising(2)),
          ...every(toMs - 2 * minuteMs, toMs, rising(2)),
        ],
      },
    ];
    const own = await startBackend(program, { series });
    try {
      const source = createPrometheusSource(connect(own));
      const total = counts(await source.measure(queryOf(recent, orders()), never), 'stable')?.total ?? [];
      const ofOther = 4 * Math.floor((recent.toMs - recent.fromMs) / 15_000);
      const ofAway = rising(2)(recent.toMs) - rising(2)(fromMs - 25 * minuteMs);
      const sum = total.reduce((all, events) => all + events, 0);
      expect(Math.abs(sum - ofOther - ofAway)).toBeLessThanOrEqual(2 * (4 + 2));
    } finally {
      await own.close();
    }
  });

  it.runIf(isThere)('is not refused for remarks on the query', async () => {
    // The name of a counter ends in _total.
    const metric = { __name__: 'odd_requests', job: 'orders', instance: 'a:1' };
    const samples = [...Array(40)].map((_, i) => [fromMs + i * 15_000, 2 * i] as const);
    const own = await startBackend(program, { series: [{ metric, samples }] });
    try {
      const { json } = await connect(own).instant('(increase(odd_requests[5m]))[5m:5m]', toMs, never);
      expect(readPoints(json)).toMatchObject([{ labels: { job: 'orders' } }]);
    } finally {
      await own.close();
    }
  });

  it.runIf(isThere)('reports what the backend says of a query that it does not understand', async () => {
    const asked = connect().attempt((signal) => connect().instant('up{', toMs, signal), never);
    await expect(asked).rejects.toMatchObject({
      code: /* VictoriaMetrics answers 422, Prometheus 400. */ 'source_rejected',
    });
  });

  it.runIf(isThere)(
    'reads scrapes of its own, also of a target that is gone',
    { timeout: 180_000 },
    async () => {
      let value = 0;
      const exporter = createServer((_, response) => {
        value += 1;
        response.setHeader('content-type', 'text/plain; version=0.0.4');
        response.end(`# TYPE live_total counter\nlive_total{job_name="orders"} ${value}\n`);
      });
      exporter.listen(0, '127.0.0.1');
      await once(exporter, 'listening');
      const { port } = exporter.address() as AddressInfo;
      const own = await startBackend(program, { series: [], target: `127.0.0.1:${port}` });
      try {
        const sources = {
          app: {
            total: 'live_total{job_name="{service}"}',
            bad: 'live_total{job_name="{service}",code="5"}',
          },
        };
        const cujs = [{ name: 'order', owner: 'team', service: 'orders', endpoints: '*' as const }];
        const [batch] = registryOf({ ...document, sources, cujs }).batches;
        const plan = planQuery(batch as NonNullable<typeof batch>);
        const connection = connect(own);
        const samples = async () => {
          const { json } = await connection.instant(`${plan.query}[120s]`, Date.now(), never);
          return readCounters(json, plan, Date.now() - 121_000, Date.now())[0];
        };
        while (((await samples())?.values.length ?? 0) < 3) await delay(100);
        exporter.close();
        exporter.closeAllConnections();
        const last = value;
        // Until the target is down, and its series have ended.
        const isDown = async () =>
          JSON.stringify((await connection.instant('up == 0', Date.now(), never)).json).includes('"live"');
        while (!(await isDown())) await delay(100);
        while ((await samples())?.values.at(-1) !== last) await delay(100);
        expect([...((await samples())?.values ?? [])]).toEqual(
          [...Array(last)].map((_, i) => i + 1).slice(-((await samples())?.values.length ?? 0)),
        );
      } finally {
        await own.close();
      }
    },
  );
});

function upOf(pods: readonly Pod[]): StoredSeries[] {
  return pods.map((pod) => ({
    metric: { __name__: 'up', job: pod.service, instance: `${pod.name}:8080` },
    samples: scrapesOf(pod, toMs + 2 * minuteMs).map((atMs) => [atMs, 1] as const),
  }));
}
