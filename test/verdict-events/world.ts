import { Registry as MetricsRegistry } from 'prom-client';
import { onTestFinished } from 'vitest';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { SourceError } from '../../src/domain/errors.ts';
import { createEventSink } from '../../src/sources/datadog/api/change-events.ts';
import { DatadogConnection } from '../../src/sources/datadog/api/connection.ts';
import { createEventMetrics } from '../../src/verdict-events/metrics.ts';
import { type SentVerdicts, sentByHistory } from '../../src/verdict-events/sent-verdicts.ts';
import { createVerdictEvents } from '../../src/verdict-events/verdict-events.ts';
import { createVerdictHistory, type HistoryOptions } from '../../src/verdict-history/history.ts';
import { bench, broken, document, healthy, nowMs, registryOf, snapshotOf } from '../http/fixture.ts';

export const eventsKey = 'e0e1e2e3e4e5e6e7e8e9eaebecedeeef';
export const question = '/cujs/signup/status?version=v2';
export const minuteMs = 60_000;

export interface ReplicaOptions {
  readonly sent?: SentVerdicts;
  /** Epoch ms. */
  readonly atMs?: number;
  readonly registry?: typeof document;
  readonly changes?: HistoryOptions['changes'];
  readonly news?: HistoryOptions['news'];
  /** Of one event, in ms. */
  readonly deadlineMs?: number;
}

export async function startIntake(): Promise<Simulator> {
  // Both clocks are the test's: the events carry their own time.
  const intake = await startDatadogSimulator({ now: () => nowMs, eventsApiKey: eventsKey });
  onTestFinished(() => intake.stop());
  return intake;
}

/** A gate without its process: answers, history and events, over a source of the test and a clock that it sets. */
export async function replica(url: string, options: ReplicaOptions = {}) {
  const clock = { nowMs: options.atMs ?? nowMs };
  const now = () => clock.nowMs;
  const warnings: Record<string, unknown>[] = [];
  const logger = { warn: (fields: object) => void warnings.push({ ...fields }) };
  const metrics = new MetricsRegistry();
  const pauses: number[] = [];
  const connection = new DatadogConnection({
    apiKey: eventsKey,
    url,
    deadlineMs: options.deadlineMs ?? 5_000,
    epochNow: now,
    clock: { now, sleep: async () => {} },
  });
  const registry = registryOf(options.registry ?? document);
  let events: ReturnType<typeof createVerdictEvents> | undefined;
  const history = createVerdictHistory({
    now,
    logger,
    observer: { noted: (release, entry) => events?.noted(release, entry) },
    ...(options.changes === undefined ? {} : { changes: options.changes }),
    ...(options.news === undefined ? {} : { news: options.news }),
    every: () => () => {},
  });
  events = createVerdictEvents({
    sink: createEventSink(connection),
    sent: options.sent ?? sentByHistory(history, clock.nowMs),
    history,
    envOf: (service) => registry.services.get(service)?.env,
    now,
    logger,
    metrics: createEventMetrics(metrics),
    every: () => () => {},
    async sleep(ms) {
      pauses.push(ms);
      clock.nowMs += ms;
    },
  });
  const { app, world } = await bench(
    {
      history,
      now,
      allowUnauthenticatedPast: true,
      pages: { basePath: '', publicUrl: 'https://gate.example.com', links: () => [] },
    },
    'uncached',
  );
  world.registry = { ...(world.registry as NonNullable<typeof world.registry>), registry };
  const closed = { done: false };
  const close = async () => {
    if (closed.done) return;
    closed.done = true;
    await events?.close();
    await history.close();
  };
  onTestFinished(close);
  return {
    events,
    history,
    world,
    warnings,
    pauses,
    clock,
    close,
    async count(name: string): Promise<number> {
      const line = (await metrics.metrics()).split('\n').find((one) => one.startsWith(`${name} `));
      return Number(line?.slice(name.length + 1));
    },
    /** Answers a question at a moment, after which the clock stays there. */
    async ask(atMs: number, kind: 'healthy' | 'broken' | 'silent', url = question): Promise<void> {
      clock.nowMs = atMs;
      world.nowMs = atMs;
      world.measure = async (query) => {
        if (kind === 'silent') throw new SourceError('source_unavailable', 'Datadog is away.', 'Wait.');
        return snapshotOf(query, kind === 'broken' ? broken : healthy, healthy);
      };
      const answer = await app.inject(url);
      if (answer.statusCode !== 200) throw new Error(answer.body);
    },
    /** Nobody asks any more until then. */
    async sweepAt(atMs: number): Promise<void> {
      clock.nowMs = atMs;
      await events?.sweep();
    },
  };
}
