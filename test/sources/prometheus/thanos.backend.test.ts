import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import { PrometheusConnection } from '../../../src/sources/prometheus/api/connection.ts';
import { createPrometheusSource } from '../../../src/sources/prometheus/api/source.ts';
import { StoreWatch } from '../../../src/sources/prometheus/api/store-watch.ts';
import { testedBackends } from './real-backends.ts';
import { startThanos, type Thanos, type ThanosOptions } from './thanos.ts';
import {
  document,
  intervalMs,
  type Pod,
  podIn,
  queryOf,
  type Request,
  randomOf,
  registryOf,
  storedSeries,
  truthOf,
} from './traffic.ts';

/** What only Thanos does: it asks several stores, one of which may not answer, and takes replicas for one. */

const minuteMs = 60_000;
const fromMs = Math.floor(Date.now() / (5 * minuteMs)) * 5 * minuteMs - 40 * minuteMs;
const toMs = fromMs + 10 * minuteMs;
const untilMs = toMs + 2 * minuteMs;
const recent = { fromMs, toMs, stepMs: 10_000 };
const orders = registryOf({ ...document, cujs: (document.cujs ?? []).slice(0, 1) });
const never = new AbortController().signal;
const random = randomOf(42);
const at = { fromMs, toMs, random };
const stable = podIn(at, 'stable-1', {});
const healthy = podIn(at, 'canary-1', { version: 'V2' });
const failing = podIn(at, 'canary-2', { version: 'V2' });

function requestsOf(pods: readonly Pod[]): Request[] {
  return pods.flatMap((pod) =>
    [...Array(1_500)].map((): Request => {
      const atMs = Math.floor(pod.bornMs + random() * (untilMs - pod.bornMs));
      const code = pod === failing && random() < 0.5 ? '503' : '200';
      return { pod, atMs, method: 'POST', route: '/Orders/{id}', code };
    }),
  );
}

const requests = requestsOf([stable, healthy, failing]);
const seriesOf = (...pods: Pod[]) =>
  storedSeries(
    requests.filter(({ pod }) => pods.includes(pod)),
    untilMs,
  );
const sum = (counts: Iterable<number> = []) => [...counts].reduce((a, b) => a + b, 0);

describe.runIf(testedBackends.includes('thanos'))('a real Thanos', () => {
  const connections: PrometheusConnection[] = [];
  let thanos: Thanos | undefined;

  afterEach(() => thanos?.close());
  afterAll(() => Promise.all(connections.map((connection) => connection.close())));

  async function start(options: ThanosOptions): Promise<Thanos> {
    thanos = await startThanos(options);
    return thanos;
  }

  function connectionTo({ url }: Thanos): PrometheusConnection {
    const connection = new PrometheusConnection({ url });
    connections.push(connection);
    return connection;
  }

  /** As one process measures, again and again: it looks at the stores. Its list is never an old one. */
  function measuring(own: Thanos, registry = orders): () => Promise<Snapshot> {
    const connection = connectionTo(own);
    let nowMs = Date.now();
    const epochNow = () => {
      nowMs += 10_000;
      return nowMs;
    };
    const source = createPrometheusSource(connection, new StoreWatch(connection, { epochNow }));
    return () => source.measure(queryOf(recent, registry), never);
  }

  function measured(own: Thanos): Promise<Snapshot> {
    return createPrometheusSource(connectionTo(own)).measure(queryOf(recent, orders), never);
  }

  const noStore = { code: 'source_unavailable', hint: expect.stringContaining('store of Thanos') };
  const canary = (snapshot: Snapshot) => snapshot.services.get('orders')?.canary.whole;
  /** The canary's failing pod is in a store of its own. */
  const apart = [
    { labels: { cluster: 'eu', replica: 'a' }, series: seriesOf(stable, healthy) },
    { labels: { cluster: 'us', replica: 'a' }, series: seriesOf(failing) },
  ];

  /** Resolves when Thanos has noticed that a store does not answer. */
  async function noticed(own: Thanos): Promise<void> {
    while ((await own.stores()) > 1) await delay(100);
  }

  it('judges nothing while a store does not answer, where its endpoints are strict', async () => {
    const own = await start({ stores: apart });
    const failures = requests.filter(({ pod, code }) => pod === failing && code === '503');
    const bad = canary(await measured(own))?.bad;
    expect([...(bad ?? [])]).toEqual(truthOf(failures, recent, 5_000));
    await own.kill('prometheus', 1);
    await expect(measured(own)).rejects.toMatchObject(noStore);
    await own.kill('sidecar', 1);
    await expect(measured(own)).rejects.toMatchObject(noStore);
    await noticed(own);
    await expect(measured(own)).rejects.toMatchObject(noStore);
  });

  const total = (snapshot: Snapshot) => sum(canary(snapshot)?.total);
  const missing = {
    code: 'source_unavailable',
    message: expect.stringMatching(/its store 127\.0\.0\.1:\d+ \(sidecar, cluster="us"/),
  };

  it.each(['sidecar', 'prometheus'] as const)(
    'judges nothing while a store of an endpoint that is not strict is missing because its %s ended, and goes on when it is back',
    async (part) => {
      const own = await start({ stores: apart, isStrict: false });
      const measure = measuring(own);
      const whole = await measure();
      await own.kill(part, 1);
      await expect(measure()).rejects.toMatchObject({ code: 'source_unavailable' });
      await noticed(own);
      // Thanos Query answers without it, and nothing in the answer tells.
      const partly = await measured(own);
      expect([sum(canary(partly)?.bad), total(partly) > 0]).toEqual([0, true]);
      await expect(measure()).rejects.toMatchObject(missing);
      if (part === 'prometheus') return;
      await own.startSidecar(1);
      while ((await own.stores()) < 2) await delay(100);
      expect(total(await measure())).toBe(total(whole));
    },
  );

  it('still judges nothing when Thanos Query has forgotten the store', async () => {
    const own = await start({ stores: apart, isStrict: false, query: ['--store.unhealthy-timeout=8s'] });
    const measure = measuring(own);
    await measure();
    await own.kill('sidecar', 1);
    while ((await own.listed()) > 1) await delay(100);
    expect(sum(canary(await measured(own))?.bad)).toBe(0);
    await expect(measure()).rejects.toMatchObject({
      ...missing,
      message: expect.stringContaining('lost its store'),
    });
  });

  it('judges a service that is in other stores, by the external labels that the source selects', async () => {
    const own = await start({ stores: apart, isStrict: false });
    const { sources = {}, ...rest } = document;
    const inEu = Object.entries(sources).map(([name, { total, bad, ...one }]) => {
      const only = (selector: string) => selector.replace('{', '{cluster="eu",');
      return [name, { ...one, total: only(total), bad: only(bad) }];
    });
    const measure = measuring(
      own,
      registryOf({ ...rest, cujs: (rest.cujs ?? []).slice(0, 1), sources: Object.fromEntries(inEu) }),
    );
    const whole = await measure();
    await own.kill('sidecar', 1);
    await noticed(own);
    expect(total(await measure())).toBe(total(whole));
  });

  it.each([
    ['its own', ['--query.promql-engine=thanos']],
    ["Prometheus'", ['--query.promql-engine=prometheus']],
  ])('counts two replicas of different clocks and with gaps once, by %s engine', async (_, query) => {
    // The second one scrapes at other times, and counts what the first one does not see in its gap.
    const second = (pod: Pod): Pod => ({ ...pod, phaseMs: (pod.phaseMs + 7_000) % intervalMs });
    const first = (pod: Pod): Pod => ({ ...pod, gaps: [[fromMs + 200_000, fromMs + 380_000]] });
    const as = (change: (pod: Pod) => Pod) =>
      storedSeries(
        requests.map((one) => ({ ...one, pod: change(one.pod) })),
        untilMs,
      );
    // One object for each pod: series are grouped by the names.
    const own = await start({
      query,
      stores: [
        { labels: { cluster: 'eu', replica: 'a' }, series: as(first) },
        { labels: { cluster: 'eu', replica: 'b' }, series: as(second) },
      ],
    });
    const snapshot = await measured(own);
    for (const [counts, truth] of [
      [canary(snapshot)?.total, requests.filter(({ pod }) => pod.version === 'V2')],
      [canary(snapshot)?.bad, requests.filter(({ code }) => code === '503')],
      [snapshot.services.get('orders')?.stable.whole?.total, requests.filter(({ pod }) => pod === stable)],
    ] as const) {
      const until = (ms: number) =>
        truth.filter(({ atMs }) => atMs > fromMs - intervalMs && atMs <= ms).length;
      [...(counts ?? [])].forEach((_count, i, all) => {
        const endMs = fromMs + (i + 1) * snapshot.stepMs;
        const counted = sum(all.slice(0, i + 1));
        // Nothing twice, and nothing later than the scrape of the slower replica and Thanos' change to it.
        expect(counted).toBeLessThanOrEqual(until(endMs));
        expect(counted).toBeGreaterThanOrEqual(until(endMs - 75_000) - until(fromMs));
      });
    }
  });
});
