import { describe, expect, it } from 'vitest';
import {
  graphqlRequestsMetric,
  httpRequestsMetric,
  istioRequestsMetric,
} from '../../../src/demo/prometheus/pod-labels.ts';
import { type PodSeries, ScrapedPods } from '../../../src/demo/prometheus/scraped-pods.ts';
import { pastScrapes } from '../../../src/demo/prometheus/scrapes.ts';

const startMs = 1_800_000_000_000;
const slotMs = 10_000;
const identity = {
  operation: 'http.request',
  env: 'production',
  service: 'orders',
  version: 'V2',
  resource: 'POST /Orders/{id}',
  statusCode: 503,
};

/** Ten slots of so many requests. */
function filled(perSlot: number, pods = new ScrapedPods()): ScrapedPods {
  for (let i = 0; i < 10; i += 1)
    pods.requests(identity).record({ at: startMs + i * slotMs, count: perSlot });
  return pods;
}

const afterMs = startMs + 10 * slotMs;

function sumsOf(pods: ScrapedPods, atMs: number): Record<string, number> {
  const series = pods.pods.flatMap((pod) => pods.seriesOf(pod, [atMs]));
  const sum = (belongs: (one: PodSeries) => boolean) =>
    series.filter(belongs).reduce((total, { values: [value = 0] }) => total + value, 0);
  return {
    http: sum(({ metric }) => metric === httpRequestsMetric),
    source: sum(({ labels }) => labels.reporter === 'source'),
    destination: sum(({ labels }) => labels.reporter === 'destination'),
  };
}

describe('pods that count simulated requests', () => {
  it('count each request once as a server, once as its proxy, and once as the caller', () => {
    for (const perSlot of [1, 2, 7, 101]) {
      const all = perSlot * 10;
      expect(sumsOf(filled(perSlot), afterMs)).toEqual({ http: all, source: all, destination: all });
    }
  });

  it('have the labels of OpenTelemetry and of Istio, with values as they are written', () => {
    const pods = filled(10);
    const [pod] = pods.pods;
    if (pod === undefined) throw new Error('no pod');
    expect(pod.labels).toEqual({ job: 'orders', instance: 'orders-V2-0:8080', pod: 'orders-V2-0' });
    const series = pods.seriesOf(pod, [afterMs]);
    expect(series.find(({ metric }) => metric === httpRequestsMetric)?.labels).toEqual({
      http_request_method: 'POST',
      http_route: '/Orders/{id}',
      http_response_status_code: '503',
      service_version: 'V2',
    });
    expect(series.find(({ metric }) => metric === istioRequestsMetric)?.labels).toMatchObject({
      reporter: 'destination',
      destination_service_name: 'orders',
      destination_version: 'V2',
      response_code: '503',
      request_protocol: 'http',
    });
  });

  it('count the requests of a slot one after the other, and never fall', () => {
    const pods = filled(5);
    const times = [...Array(101)].map((_, i) => startMs + i * 1_000);
    const values = pods.pods.flatMap((pod) => pods.seriesOf(pod, times).map((one) => one.values));
    for (const of of values) {
      expect(of[0]).toBe(0);
      expect([...of].sort((a, b) => a - b)).toEqual(of);
      expect(new Set(of).size).toBeGreaterThan(15);
    }
  });

  it('leave the requests to the others when they are gone', () => {
    const pods = filled(10);
    pods.remove('orders-V2-0', startMs + 5 * slotMs);
    expect(sumsOf(pods, afterMs).source).toBe(100);
    const [gone, other] = pods.pods.map(
      (pod) => pods.seriesOf(pod, [startMs + 5 * slotMs, afterMs])[0]?.values ?? [],
    );
    expect(gone).toEqual([25, 25]);
    expect(other).toEqual([25, 75]);
  });

  it('begin at 0 after a restart', () => {
    const pods = filled(10);
    pods.restart('orders-V2-1', startMs + 5 * slotMs);
    const [, restarted] = pods.pods;
    if (restarted === undefined) throw new Error('no pod');
    const at = [startMs + 5 * slotMs - 1, startMs + 5 * slotMs, afterMs];
    expect(pods.seriesOf(restarted, at)[0]?.values).toEqual([expect.closeTo(25, -1), 0, 25]);
  });

  it('are found by their name or that of their version, and nothing else is', () => {
    const pods = filled(1);
    expect(() => pods.remove('orders-V', afterMs)).toThrow('there is no pod orders-V');
    pods.remove('orders-V2', startMs);
    expect(pods.pods.map(({ name, diedMs }) => [name, Number.isFinite(diedMs)])).toEqual([
      ['orders-V2-0', true],
      ['orders-V2-1', true],
      ['istio-ingressgateway-0', false],
      ['istio-ingressgateway-1', false],
    ]);
  });

  it('count calls of gRPC by their proxies alone, and errors of GraphQL by a label of their own', () => {
    const pods = new ScrapedPods();
    const { statusCode: _, ...unanswered } = identity;
    const call = { ...unanswered, resource: '/orders.v1.Orders/Get', grpcCode: 14 };
    pods.requests(call).record({ at: startMs, count: 4, errors: 4 });
    pods.requests({ ...unanswered, resource: 'query Orders' }).record({ at: startMs, count: 10, errors: 4 });
    const [pod] = pods.pods;
    if (pod === undefined) throw new Error('no pod');
    const counted = pods
      .seriesOf(pod, [afterMs])
      .map(({ metric, labels: { outcome, grpc_response_status: grpc }, values }) => [
        ...[metric, outcome, grpc, values[0]],
      ]);
    expect(counted).toEqual([
      [graphqlRequestsMetric, 'success', undefined, 3],
      [graphqlRequestsMetric, 'error', undefined, 2],
      [istioRequestsMetric, undefined, '14', 2],
      [istioRequestsMetric, undefined, undefined, 5],
    ]);
  });

  it('tell operations apart in the mesh only where its requests are classified', () => {
    const operations = (isClassified: boolean) => {
      const pods = filled(1, new ScrapedPods({ isClassified }));
      return new Set(
        pods.pods
          .flatMap((pod) => pods.seriesOf(pod, [afterMs]))
          .flatMap(({ metric, labels }) =>
            metric === istioRequestsMetric ? [labels.request_operation] : [],
          ),
      );
    };
    expect(operations(true)).toEqual(new Set(['POST /Orders/{id}']));
    expect(operations(false)).toEqual(new Set([undefined]));
  });
});

describe('scrapes of the past', () => {
  const span = { fromMs: startMs, untilMs: afterMs, intervalMs: 15_000 };

  it('are one interval apart, each pod at its own moment, and show a counter from its first request on', () => {
    const series = pastScrapes(filled(3), span);
    const times = series.map(({ samples }) => samples.map(([atMs]) => atMs));
    for (const of of times)
      expect(of.slice(1).every((atMs, i) => atMs - (of[i] as number) === 15_000)).toBe(true);
    expect(new Set(times.map((of) => (of[0] as number) % 15_000)).size).toBeGreaterThan(1);
    for (const { metric, samples } of series)
      if (metric.__name__ !== 'up') expect(samples.every(([, value]) => value > 0)).toBe(true);
  });

  it('are of the life of a pod', () => {
    const pods = filled(3);
    pods.remove('orders-V2-0', startMs + 40_000);
    const last = (name: string) =>
      pastScrapes(pods, span)
        .filter(({ metric }) => metric.pod === name)
        .map(({ samples }) => samples.at(-1)?.[0] ?? 0);
    expect(Math.max(...last('orders-V2-0'))).toBeLessThan(startMs + 40_000);
    expect(Math.min(...last('orders-V2-1'))).toBeGreaterThan(startMs + 80_000);
  });
});
