import type { EvaluationRequest } from '../../src/domain/metrics/evaluation-request.ts';
import { createEvaluator } from '../../src/evaluation/evaluator.ts';
import type { PrometheusConnection } from '../../src/sources/prometheus/api/connection.ts';
import { createPrometheusSource } from '../../src/sources/prometheus/api/source.ts';
import {
  document,
  matrixOf,
  randomOf,
  registryOf,
  type StoredSeries,
} from '../sources/prometheus/traffic.ts';

/** A release of a service whose pods are scraped, judged by the product's own source, evaluator and judge on a simulated clock. */

export interface Scrapes {
  /** Between two scrapes of a pod. Each pod is scraped at moments of its own. */
  readonly intervalMs: number;
  readonly lag: string;
  readonly minFaultDuration: string;
  /** Stable, where it is scraped in another interval, or has more pods than the canary. */
  readonly stable?: { readonly intervalMs: number; readonly pods: number };
}

export interface Fault {
  /** After the canary's first request. */
  readonly afterMs: number;
  readonly lastsMs: number;
  /** The part of the canary's requests that fails meanwhile. */
  readonly rate: number;
}

/** Requests a second of the canary on the endpoint; stable has three times as many. */
const perSecond = 2;
const podsEach = 2;
const historyMs = 70 * 60_000;
/** The generated template asks so often. */
const askedEveryMs = 20_000;

/** From the first failed request of the fault to the first verdict `fail`, in ms; undefined without one until `untilMs` after its begin. */
export async function timeToFail(
  scrapes: Scrapes,
  fault: Fault,
  untilMs: number,
  seed: number,
): Promise<number | undefined> {
  const random = randomOf(seed * 7919);
  const startMs = Date.UTC(2026, 0, 31, 9) + random() * 60_000;
  const beginMs = startMs + fault.afterMs;
  const endMs = beginMs + fault.lastsMs;
  const stored: StoredSeries[] = [];
  const { stable = { intervalMs: scrapes.intervalMs, pods: podsEach } } = scrapes;
  const serve = (name: string, version: string, fromMs: number, rate: number) => {
    const samples = { good: [] as [number, number][], bad: [] as [number, number][] };
    let [good, bad] = [0, 0];
    let sinceMs = fromMs;
    const { intervalMs } = version === 'V1' ? stable : scrapes;
    const phaseMs = random() * intervalMs;
    for (let atMs = fromMs + phaseMs; atMs <= beginMs + untilMs; atMs += intervalMs) {
      const faultyMs = version === 'V1' ? 0 : Math.max(0, Math.min(atMs, endMs) - Math.max(sinceMs, beginMs));
      const failing = faultyMs * fault.rate;
      bad += poisson((failing / 1000) * rate, random);
      good += poisson(((atMs - sinceMs - failing) / 1000) * rate, random);
      // A counter is there from its first event on.
      if (good > 0) samples.good.push([Math.round(atMs), good]);
      if (bad > 0) samples.bad.push([Math.round(atMs), bad]);
      sinceMs = atMs;
    }
    const labels = { job: 'orders', instance: `${name}:1`, version, method: 'POST', route: '/Orders/{id}' };
    for (const [code, own] of [
      ['200', samples.good],
      ['500', samples.bad],
    ] as const)
      stored.push({ metric: { __name__: 'http_requests_total', ...labels, code }, samples: own });
  };
  for (let i = 0; i < stable.pods; i += 1)
    serve(`stable-${i}`, 'V1', startMs - historyMs, (3 * perSecond) / stable.pods);
  for (let i = 0; i < podsEach; i += 1) serve(`canary-${i}`, 'V2', startMs, perSecond / podsEach);

  let nowMs = startMs;
  const arrived = () =>
    stored.map(({ metric, samples }) => ({ metric, samples: samples.filter(([atMs]) => atMs <= nowMs) }));
  const connection: Pick<PrometheusConnection, 'instant' | 'attempt'> = {
    async instant(query, atMs) {
      const seconds = Number(/\[(\d+)s\]$/.exec(query)?.[1]);
      const none = { status: 'success', data: { resultType: 'vector', result: [] } };
      const json = Number.isNaN(seconds) ? none : matrixOf(arrived(), atMs - seconds * 1000, atMs);
      return { json, clockSkewMs: 0 };
    },
    attempt: (work, signal) => work(signal),
  };
  const registry = registryOf({
    ...document,
    defaults: {
      slo: { availability: 99.95 },
      gate: { lag: scrapes.lag, minFaultDuration: scrapes.minFaultDuration },
    },
    cujs: [{ name: 'order', owner: 't', service: 'orders', endpoints: ['POST /Orders/{id}'] }],
  });
  const evaluator = createEvaluator({
    registry: () => registry,
    source: createPrometheusSource(connection as PrometheusConnection),
    now: () => nowMs,
  });
  const question: EvaluationRequest = { cuj: 'order', params: new Map([['version', 'V2']]) };
  const { signal } = new AbortController();
  for (nowMs += random() * askedEveryMs; nowMs < beginMs + untilMs; nowMs += askedEveryMs) {
    const { verdict } = await evaluator.cuj(question, signal);
    if (verdict.verdict === 'fail') return nowMs - beginMs;
  }
  return undefined;
}

function poisson(mean: number, random: () => number): number {
  let [events, rest, chance] = [0, random(), Math.exp(-mean)];
  while (rest > chance) {
    rest -= chance;
    events += 1;
    chance *= mean / events;
  }
  return events;
}
