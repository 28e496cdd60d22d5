import { pino } from 'pino';
import { expect, it } from 'vitest';
import { toldSource } from '../../src/adapters/told-source.ts';
import { SourceError } from '../../src/domain/errors.ts';
import type { Snapshot } from '../../src/domain/metrics-source.ts';
import { from, query, scoped, to } from './datadog/synthetic.ts';

const asked = query([scoped('api', [])]);
const snapshot: Snapshot = { fromMs: from, toMs: to, services: new Map(), queries: [] };
const never = new AbortController().signal;

it('tells what the trouble is when it begins, changes, lasts for minutes and is over', async () => {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) });
  let nowMs = 0;
  let error: Error | undefined;
  const source = toldSource(
    {
      measure: async () => {
        if (error !== undefined) throw error;
        return snapshot;
      },
    },
    logger,
    () => nowMs,
  );
  const ask = (seconds: number, trouble?: Error) => {
    nowMs = seconds * 1_000;
    error = trouble;
    return source.measure(asked, never).catch((thrown: unknown) => expect(thrown).toBe(trouble));
  };
  const down = new SourceError('source_unavailable', 'Datadog answered 500: oops', 'Wait.');
  await ask(0);
  await ask(10, down);
  for (let at = 20; at < 310; at += 10) await ask(at, down);
  expect(lines).toEqual([
    {
      level: 40,
      code: 'source_unavailable',
      detail: 'Datadog answered 500: oops',
      hint: 'Wait.',
      batch: asked.batch.id,
      msg: 'Datadog gives no answer',
    },
  ]);
  await ask(310, down);
  await ask(320, new SourceError('source_rejected', 'Datadog answered 403: Forbidden', 'Check.'));
  await ask(330, new Error('ours'));
  await ask(340);
  await ask(350);
  expect(lines.slice(1)).toMatchObject([
    { detail: 'Datadog answered 500: oops' },
    { detail: 'Datadog answered 403: Forbidden' },
    { level: 30, code: 'source_rejected', failures: 32, seconds: 330, msg: 'Datadog answers again' },
  ]);
});
