import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { hash32 } from '../../../src/demo/datadog/normalise.ts';
import { isInstalled, storePast } from '../../../src/demo/prometheus/program.ts';
import { ScrapedPods } from '../../../src/demo/prometheus/scraped-pods.ts';
import { freePort } from '../../free-ports.ts';
import type { BackendOptions, ChaosBackend } from '../backend.ts';
import { floor, pastEndOf } from '../evidence.ts';
import { FaultGun } from '../fault-gun.ts';
import { afterglowMs, isCalm, isWithinMinute, lateForMs } from '../phases.ts';
import { versions } from '../world.ts';
import { lagMs, maxWindowMs, PrometheusEvidence, silenceMs } from './evidence.ts';
import { FaultProxy, type ProxiedCall } from './fault-proxy.ts';
import { makers, often } from './faults.ts';
import { PodTroubles } from './pod-troubles.ts';
import { PrometheusProcess } from './prometheus-process.ts';
import { endpointOf, ScrapedWorld } from './scraped-world.ts';

const minuteMs = 60_000;
/** What a verdict looks at, with the quarter of an hour before that the gate reads as well. */
const historyMs = maxWindowMs + 20 * minuteMs;
/** The end of the data may be so old beyond the lag. */
const calmStepMs = 30_000;
/** Of a pod before the run begins. */
const firstOutageMs = 30_000;
/** So long each answer waits while calls are to be pending. */
const slowMs = 900;

/** In each minute, in ms: there is time to come back before the calm phase (phases.ts), and before the gate misses scrapes in it. */
const kill = { fromMs: 28_000, untilMs: 34_000 };
/** All samples are late by so much: too much for a verdict, and too little to affect what the gate keeps of the past. */
const lateMs = { least: 75_000, most: 200_000 };

/** Of all pods one after the other: each of them restarts every two minutes. */
const restartEveryMs = 10_000;
/** Of the small version one pod has all requests of a route. */
const isSpared = (pod: string) =>
  versions.some(({ name, nature }) => nature === 'small' && pod.includes(`-${name}-`));

/**
 * A real Prometheus that scrapes simulated pods, behind a proxy that spoils answers. Prometheus is killed and started again, pods restart,
 * cannot be scraped for a while, and answer scrapes late.
 */
export async function startPrometheus({
  startMs,
  seconds,
  drawOfPart,
}: BackendOptions): Promise<ChaosBackend> {
  if (!isInstalled('prometheus'))
    throw new Error('no prometheus on PATH: npm run install:packages installs it');
  const world = new ScrapedWorld({ startMs, seconds, historyMs }, drawOfPart());
  const folder = mkdtempSync(path.join(tmpdir(), 'cuj-gate-chaos-prometheus-'));
  // Found once the past is stored: a pod's samples come in their order.
  let found = new ScrapedPods();
  const exporter = await world.export(() => found);
  const prometheus = new PrometheusProcess(folder, await freePort(), exporter.targetsUrl);
  const gun = new FaultGun(makers, drawOfPart(), often);
  const salt = drawOfPart()();
  const isForgotten = (pod: string, toMs: number) =>
    pod.endsWith('-1') && !isSpared(pod) && hash32(`${salt} ${toMs}`) % 4 === 0;
  const proxy = new FaultProxy({ upstream: prometheus.url, gun, draw: drawOfPart(), isForgotten });
  const url = await proxy.start();
  const stop = async () => {
    await proxy.stop();
    await exporter.stop();
    await prometheus.kill();
    rmSync(folder, { recursive: true, force: true });
  };

  const podTroubles = new PodTroubles(world, drawOfPart());
  try {
    await prometheus.start();
    const unscraped = podTroubles.beginOutage(Date.now() - firstOutageMs);
    const past = world.past(Date.now(), startMs - historyMs, unscraped?.name, firstOutageMs);
    await storePast({ program: 'prometheus', url: prometheus.url }, past);
    found = world.pods;
  } catch (error) {
    await stop();
    throw error;
  }

  /** Whether every pod was scraped often enough for all verdicts of this time. */
  const isScraped = (startedMs: number, endedMs: number) => {
    for (let toMs = floor(startedMs - lagMs, calmStepMs); toMs <= endedMs - lagMs; toMs += 10_000)
      for (const endMs of [toMs, pastEndOf(toMs)])
        if (!world.pods.pods.every(({ name }) => world.isScraped(name, silenceMs - 1_000, endMs)))
          return false;
    return true;
  };
  const fireOrNot = (elapsedMs: number) => (isCalm(elapsedMs) ? gun.unload() : gun.fire(Date.now()));
  let lateTimes = 0;
  const drawLate = drawOfPart();
  const beLate = (elapsedMs: number) => {
    const forMs = lateForMs(elapsedMs);
    if (forMs === undefined || proxy.state.lateMs !== undefined) return;
    lateTimes += 1;
    proxy.state.lateMs = lateMs.least + drawLate() * (lateMs.most - lateMs.least);
    setTimeout(() => {
      proxy.state.lateMs = undefined;
    }, forMs).unref();
  };
  let killedInMinute = -1;
  const killPrometheus = async (elapsedMs: number) => {
    const minute = Math.floor(elapsedMs / minuteMs);
    if (minute === killedInMinute || !isWithinMinute(kill, elapsedMs)) return;
    killedInMinute = minute;
    world.killed(await prometheus.kill());
    await prometheus.start();
  };
  return {
    title: 'Prometheus',
    dialect: {
      sources:
        'sources:\n  http: { total: "preset:opentelemetry", bad: "preset:opentelemetry", duration: "preset:opentelemetry" }\n',
      gate: `, lag: ${lagMs / 1000}s, maxWindow: ${maxWindowMs / minuteMs}m`,
      service: () => 'source: http, canary: "service_version:{version}"',
      endpointOf,
    },
    evidence: new PrometheusEvidence(world, isForgotten),
    gateEnv: (life) => ({
      CUJ_GATE_BACKEND: 'prometheus',
      CUJ_GATE_PROMETHEUS_URL: url,
      CUJ_GATE_PROMETHEUS_TOKEN: life,
      CUJ_GATE_PROMETHEUS_CACHE_KEY: 'chaos-cache-key-of-nobody',
      CUJ_GATE_CACHE_TTL: '1s',
    }),
    troubles: [
      { pauseMs: 450, draw: drawOfPart(), act: fireOrNot },
      { pauseMs: 500, draw: () => 0.5, act: beLate },
      { pauseMs: 500, draw: () => 0.5, act: (elapsedMs) => podTroubles.failScrapes(elapsedMs) },
      { pauseMs: 1_500, draw: drawOfPart(), act: killPrometheus },
      { pauseMs: restartEveryMs, draw: drawOfPart(), act: () => podTroubles.restart() },
    ],
    async settle() {
      podTroubles.endOutage();
    },
    calls: proxy.calls,
    lifeOf: (call) => (call as ProxiedCall).life,
    isMuddled: (call) => proxy.isMuddled(call),
    faultKinds: gun.kinds,
    struck: gun.struck,
    isDated: (startedMs, endedMs) => !proxy.datesWrongNear(startedMs, endedMs),
    isUp: (startedMs, endedMs) =>
      prometheus.wasThere(startedMs - afterglowMs, endedMs) && isScraped(startedMs, endedMs),
    slowDown() {
      proxy.state.slowMs = slowMs;
      return () => {
        proxy.state.slowMs = 0;
      };
    },
    calmDown() {
      gun.unload();
      proxy.state.lateMs = undefined;
    },
    report: () => [
      `answers to no avail while it was away: ${proxy.misses}`,
      `Prometheus: killed ${prometheus.kills} times; samples late for everybody ${lateTimes} times`,
      `pods: ${podTroubles.restarts} restarts, ${podTroubles.outages} not scraped for a while; ${world.lateScrapes} late scrapes`,
    ],
    stop,
  };
}
