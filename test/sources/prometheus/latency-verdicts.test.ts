import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import { compose } from '../../../src/server/compose.ts';
import { readSettings, requiredToServe } from '../../../src/settings/settings.ts';
import { Loopback } from '../datadog/loopback.ts';
import { replyBySelector } from './loopback-backend.ts';
import { intervalMs, type StoredSeries, timedDocument } from './traffic.ts';

const minuteMs = 60_000;
const nowMs = Date.UTC(2026, 0, 31, 9, 0, 17);
const loopback = new Loopback();
const folder = mkdtempSync(join(tmpdir(), 'latency-'));

beforeAll(() => loopback.listen());
afterAll(async () => {
  await loopback.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Facts {
  /** Of 200 requests of the canary a minute on the first route. */
  readonly slowPerMinute?: number;
  readonly stableSlowPerMinute?: number;
  readonly badPerMinute?: number;
  /** What becomes of the series of durations. */
  readonly durations?: (series: StoredSeries) => readonly StoredSeries[];
  readonly les?: readonly string[];
}

const routes = [
  ['POST', '/Orders/{id}'],
  ['GET', '/Orders/{id}/Items'],
] as const;

function stored(facts: Facts): StoredSeries[] {
  const { slowPerMinute = 0, stableSlowPerMinute = 0, badPerMinute = 0, durations } = facts;
  const sides = [
    { version: 'V1', bornMs: 180 * minuteMs, slow: stableSlowPerMinute, bad: 0 },
    { version: 'V2', bornMs: 25 * minuteMs, slow: slowPerMinute, bad: badPerMinute },
  ];
  return sides.flatMap(({ version, bornMs, slow, bad }) =>
    routes.flatMap(([method, route]) => {
      const labels = { job: 'orders', instance: `${version}:1`, version, method, route };
      const isFirst = route === '/Orders/{id}';
      const rising = (more: Record<string, string>, perMinute: number): StoredSeries => ({
        metric: { ...labels, ...more },
        samples: samplesOf(bornMs, perMinute),
      });
      const counter = (code: string, perMinute: number) =>
        rising({ __name__: 'http_requests_total', code }, perMinute);
      const bucket = (le: string, perMinute: number) =>
        rising({ __name__: 'http_request_duration_seconds_bucket', le }, perMinute);
      const [slowHere, badHere] = isFirst ? [slow, bad] : [0, 0];
      const timed = [bucket('0.3', 200 - slowHere), bucket('1', 200), bucket('+Inf', 200)];
      return [
        counter('200', 200 - badHere),
        ...(badHere === 0 ? [] : [counter('500', badHere)]),
        ...(durations === undefined ? timed : timed.flatMap(durations)),
      ];
    }),
  );
}

function samplesOf(bornMs: number, perMinute: number): [number, number][] {
  const samples: [number, number][] = [];
  const beginMs = nowMs - bornMs;
  for (let atMs = Math.ceil(beginMs / intervalMs) * intervalMs; atMs <= nowMs; atMs += intervalMs)
    samples.push([atMs, Math.floor(((atMs - beginMs) / minuteMs) * perMinute)]);
  return samples;
}

async function asked(facts: Facts, cuj = 'order', of: RegistryDocument = timedDocument) {
  const date = new Date(nowMs).toUTCString();
  loopback.reply(replyBySelector(stored(facts), facts.les, { date }));
  const path = join(folder, 'cujs.json');
  writeFileSync(path, JSON.stringify(of));
  const env = {
    CUJ_GATE_BACKEND: 'prometheus',
    CUJ_GATE_PROMETHEUS_URL: loopback.url,
    CUJ_GATE_REGISTRY: path,
  };
  const gate = await compose(readSettings(env, { required: requiredToServe }), {
    now: () => nowMs,
    logger: pino({ level: 'silent' }),
  });
  const answer = await gate.app.inject({ url: `/cujs/${cuj}/status?version=V2&explain=true` });
  await gate.close();
  return answer.json();
}

describe('a gate that judges latency by histograms', () => {
  it('passes a canary that is as fast as its objective, and says what it asked', async () => {
    const verdict = await asked({ slowPerMinute: 1, stableSlowPerMinute: 1 });
    expect(verdict).toMatchObject({ verdict: 'pass', reason: 'within_slo' });
    expect(verdict.slis.map(({ sli }: { sli: string }) => sli).sort()).toEqual(['availability', 'latency']);
    expect(verdict.queries.map(({ name }: { name: string }) => name)).toContain('durations');
  });

  it.each(['order', 'orders'])('fails the CUJ "%s" of a canary that is slow', async (cuj) => {
    const verdict = await asked({ slowPerMinute: 60, stableSlowPerMinute: 1 }, cuj);
    expect(verdict).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    expect(verdict.summary).toContain('requests slow (');
  });

  it.each<[string, NonNullable<Facts['durations']>]>([
    ['there is no histogram', () => []],
    ['the canary has none', (one) => (one.metric.version === 'V2' ? [] : [one])],
    [
      'the canary has other buckets',
      (one) => (one.metric.version === 'V2' && one.metric.le === '0.3' ? [] : [one]),
    ],
    [
      'the histogram lacks the version',
      ({ metric: { version: _, ...labels }, samples }) => [
        { metric: { ...labels, instance: `${_}:1` } as Record<string, string>, samples },
      ],
    ],
    [
      'the histogram lacks a label of the endpoint',
      ({ metric: { route, ...labels }, samples }) => [
        { metric: { ...labels, path: route } as Record<string, string>, samples },
      ],
    ],
    [
      'the histogram of the canary has stopped',
      ({ metric, samples }) => [
        {
          metric,
          samples: metric.version === 'V2' ? samples.filter(([at]) => at < nowMs - 8 * minuteMs) : samples,
        },
      ],
    ],
  ])('never passes where %s, and still fails what breaks', async (_, durations) => {
    expect(await asked({ durations })).toMatchObject({
      verdict: 'inconclusive',
      reason: 'source_malformed',
      summary: expect.stringContaining('it is not known of'),
      hint: expect.stringContaining('a bucket that ends at latencyMs'),
    });
    expect(await asked({ durations, badPerMinute: 20 })).toMatchObject({ verdict: 'fail' });
  });

  it('never passes by a threshold that is no boundary, names the nearest, and judges all other CUJs', async () => {
    const durations = (one: StoredSeries) => (one.metric.le === '0.3' ? [] : [one]);
    const slower = { name: 'slower', owner: 'team-orders', service: 'orders', endpoints: '*' as const };
    const others = {
      ...timedDocument,
      cujs: [...(timedDocument.cujs ?? []), { ...slower, latencyMs: 1_000 }, { ...slower, name: 'untimed' }],
    };
    for (const cuj of ['slower', 'untimed']) {
      expect(await asked({ durations }, cuj, others)).toMatchObject({ verdict: 'pass' });
      expect(await asked({ durations, badPerMinute: 20 }, cuj, others)).toMatchObject({ verdict: 'fail' });
    }
    expect(await asked({ durations, les: ['0.1', '0.25', '0.5', '1', '+Inf'] })).toMatchObject({
      verdict: 'inconclusive',
      reason: 'source_rejected',
      summary: expect.stringContaining('The nearest end at 0.25 s and at 0.5 s.'),
      hint: expect.stringContaining('Set latencyMs to 250 or 500'),
    });
  });

  it('never passes where everything is slow: most likely the unit is another one', async () => {
    const inMs = (one: StoredSeries) => [
      {
        ...one,
        samples: one.metric.le === '+Inf' ? one.samples : one.samples.map(([at]) => [at, 0] as const),
      },
    ];
    expect(await asked({ durations: inMs })).toMatchObject({
      verdict: 'inconclusive',
      reason: 'threshold_unmet',
    });
  });
});
