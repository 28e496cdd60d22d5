import { pino } from 'pino';
import { expect, it } from 'vitest';
import { SourceError } from '../../../src/domain/errors.ts';
import type { Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import { withOutageLog } from '../../../src/sources/decorators/outage-log.ts';
import { batch, from, query, scoped, to } from '../datadog/synthetic.ts';

const asked = query([scoped('api', [])]);
const snapshot: Snapshot = { fromMs: from, toMs: to, stepMs: 60_000, services: new Map(), queries: [] };
const never = new AbortController().signal;

const other = query([scoped('auth', [])], {
  batch: batch([scoped('auth', [])], { id: 'production/trace/auth' }),
});

/** A source that answers or fails as told, and the lines that it makes of it. */
function told() {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) });
  let nowMs = 0;
  let error: Error | undefined;
  let skew: Pick<Snapshot, 'clockSkewMs'> = {};
  const source = withOutageLog(
    {
      measure: async () => {
        if (error !== undefined) throw error;
        return { ...snapshot, ...skew };
      },
    },
    logger,
    () => nowMs,
    'Datadog',
  );
  const ask = (seconds: number, trouble?: Error, of = asked) => {
    nowMs = seconds * 1_000;
    error = trouble;
    return source.measure(of, never).catch((thrown: unknown) => expect(thrown).toBe(trouble));
  };
  const skewedBy = (clockSkewMs: number) => {
    skew = { clockSkewMs };
  };
  return { lines, ask, skewedBy };
}

const down = new SourceError('source_unavailable', 'Datadog answered 500: oops', 'Wait.');
const refused = new SourceError('source_rejected', 'Datadog answered 403: Forbidden', 'Check.');

it('tells what the trouble is when it begins, changes, lasts for minutes and is over', async () => {
  const { lines, ask } = told();
  await ask(0);
  for (let at = 10; at < 310; at += 10) await ask(at, down);
  expect(lines).toEqual([
    {
      level: 40,
      code: 'source_unavailable',
      detail: 'Datadog answered 500: oops',
      hint: 'Wait.',
      batch: asked.batch.id,
      msg: 'Datadog query failed',
    },
  ]);
  await ask(310, down);
  await ask(320, refused);
  await ask(330, new Error('ours'));
  await ask(340);
  await ask(350);
  expect(lines.slice(1)).toMatchObject([
    { detail: 'Datadog answered 500: oops' },
    { detail: 'Datadog answered 403: Forbidden' },
    { level: 30, failures: 32, seconds: 330, msg: 'Datadog queries succeed again' },
  ]);
});

it('is no flood where one batch is refused and another is not, or where trouble comes and goes', async () => {
  const { lines, ask } = told();
  for (let minute = 0; minute < 60; minute += 1) {
    await ask(minute * 60, refused);
    await ask(minute * 60 + 1, undefined, other);
  }
  expect(lines).toHaveLength(12);
  for (let at = 4_000; at < 4_200; at += 2) {
    await ask(at, at % 4 === 0 ? down : refused, other);
    await ask(at + 1, undefined, other);
  }
  expect(lines.slice(12).map(({ msg }) => msg)).toEqual([
    'Datadog query failed',
    'Datadog queries succeed again',
    'Datadog query failed',
    'Datadog queries succeed again',
  ]);
});

it('is over when both queries of a question succeed again, the past and the newest data', async () => {
  const { lines, ask } = told();
  const recent = { ...asked, stepMs: 10_000 };
  for (let at = 0; at < 240; at += 20) {
    await ask(at, down);
    await ask(at + 1, undefined, recent);
  }
  expect(lines.map(({ msg }) => msg)).toEqual(['Datadog query failed']);
  await ask(240, down, recent);
  await ask(250);
  expect(lines).toHaveLength(1);
  await ask(260, undefined, recent);
  expect(lines.slice(1)).toMatchObject([
    { failures: 13, seconds: 260, msg: 'Datadog queries succeed again' },
  ]);
});

it('tells that the clock is wrong, once in five minutes', async () => {
  const { lines, ask, skewedBy } = told();
  skewedBy(60_000);
  await ask(0);
  expect(lines).toEqual([]);
  skewedBy(-61_900);
  for (let at = 10; at <= 320; at += 10) await ask(at);
  const line = {
    level: 50,
    code: 'clock_skew',
    seconds: -61,
    msg: "clock differs from Datadog's; no verdicts possible",
  };
  expect(lines).toEqual([line, line]);
});
