import { describe, expect, it } from 'vitest';
import type { AppPorts } from '../../src/http/server/ports.ts';
import { maxPastInflight } from '../../src/http/status/past.ts';
import { createVerdictHistory } from '../../src/verdict-history/history.ts';
import { bench, broken, healthy, nowMs, snapshotOf } from './fixture.ts';

const minuteMs = 60_000;
const at = new Date(nowMs - 20 * minuteMs).toISOString();

const open = (more: Partial<AppPorts> = {}) => bench({ allowUnauthenticatedPast: true, ...more }, 'uncached');

describe('a question as of a moment in the past', () => {
  it.each(['/cujs/signup/status?version=v2', '/services/member-api/status?version=v2'])(
    'is answered so that no condition takes it for a verdict: %s',
    async (url) => {
      const { app } = await open();
      const answer = await app.inject(`${url}&at=${at}`);
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['cache-control']).toBe('no-store');
      const body = answer.json();
      expect(Object.keys(body)).toEqual(['summary', 'at', 'hint', 'recomputed']);
      expect(body.summary).toMatch(/^RECOMPUTED as of 2026-01-31T08:39:50\.000Z: PASS /);
      expect(body.at).toBe(at);
      expect(body.recomputed).toMatchObject({ verdict: 'pass', ok: true });
      for (const text of ['pass', 'PASS']) expect(body.summary.startsWith(text)).toBe(false);
    },
  );

  it('is measured until then, with the members that explain adds beside the verdict', async () => {
    const { app, world } = await open();
    const ends: number[] = [];
    world.measure = async (query) => {
      ends.push(query.toMs);
      return snapshotOf(query, healthy, healthy);
    };
    const { recomputed, ...rest } = (
      await app.inject(`/cujs/signup/status?version=v2&explain&pretty&at=${at}`)
    ).json();
    expect(Math.max(...ends)).toBe(nowMs - 20 * minuteMs - 50_000);
    expect(recomputed.window.to).toBe(new Date(nowMs - 20 * minuteMs - 50_000).toISOString());
    expect(recomputed).toHaveProperty('measurement');
    expect(rest).not.toHaveProperty('measurement');
  });

  it('counts neither as a verdict nor as a question about the release', async () => {
    const history = createVerdictHistory({ now: () => nowMs, logger: { warn: () => {} } });
    const { app, metric, log } = await open({ history });
    await app.inject(`/cujs/signup/status?version=v2&at=${at}`);
    const series =
      'cuj_gate_verdicts_total{cuj="signup",service="member-api",verdict="pass",reason="within_slo"}';
    expect(await metric(series)).toBeUndefined();
    expect(
      await metric('cuj_gate_evidence{cuj="signup",service="member-api",sli="availability"}'),
    ).toBeUndefined();
    expect(await history.inProgress()).toEqual({ available: true, value: [] });
    expect(log.filter(({ msg }) => msg === 'verdict')).toEqual([]);
    expect(log.filter(({ msg }) => msg === 'recomputed')).toMatchObject([
      { at, cuj: 'signup', verdict: 'pass' },
    ]);
  });

  it('uses the end of the data of the answer that was given then, where it is remembered', async () => {
    const clock = { nowMs };
    const history = createVerdictHistory({ now: () => clock.nowMs, logger: { warn: () => {} } });
    const { app, world } = await open({ history });
    world.measure = async (query) => snapshotOf(query, { perMinute: 300, badPerMinute: 0.4 }, healthy);
    const given = new Map<number, string>();
    for (const seconds of [0, 7, 18, 26, 44, 51, 60, 73]) {
      clock.nowMs = nowMs + seconds * 1_000 + 345;
      world.nowMs = clock.nowMs;
      given.set(nowMs + seconds * 1_000, (await app.inject('/cujs/signup/status?version=v2')).body);
    }
    for (const [atMs, body] of given) {
      const url = `/cujs/signup/status?version=v2&at=${new Date(atMs).toISOString().replace('.000', '')}`;
      const { recomputed } = (await app.inject(url)).json();
      expect(`${JSON.stringify(recomputed)}\n`).toBe(body);
    }
  });

  it.each<[string, string, RegExp]>([
    ['is no time', 'noon', /at "noon" is not a time/],
    ['is empty', '', /is not a time/],
    ['has no offset', '2026-01-31T08:00:00', /has no UTC offset/],
    ['is a day that is none', '2026-02-30T08:00:00Z', /is not a time/],
    ['is in seconds', '1769850000', /is not a time/],
    ['is in the future', new Date(nowMs + 1).toISOString(), /is in the future/],
    [
      'is longer ago than metrics are kept',
      '2024-10-01T00:00:00Z',
      /longer ago than Datadog keeps its metrics/,
    ],
  ])('is refused where the moment %s', async (_, text, detail) => {
    const { app } = await open();
    const answer = await app.inject(`/cujs/signup/status?version=v2&at=${text}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'invalid_request', detail: expect.stringMatching(detail) });
  });

  it('takes an offset, whose plus sign a query turns into a space', async () => {
    const { app } = await open();
    const answer = await app.inject('/cujs/signup/status?version=v2&at=2026-01-31T17:30:00+09:00');
    expect(answer.json()).toMatchObject({ at: '2026-01-31T08:30:00.000Z' });
  });

  it('is refused for callers that the gate does not know, unless that is allowed', async () => {
    const { app, world } = await bench();
    let calls = 0;
    world.measure = async (query) => {
      calls += 1;
      return snapshotOf(query, healthy, healthy);
    };
    const answer = await app.inject(`/cujs/signup/status?version=v2&at=${at}`);
    expect(answer.statusCode).toBe(403);
    expect(answer.json()).toMatchObject({
      code: 'forbidden',
      hint: expect.stringContaining('CUJ_GATE_ALLOW_UNAUTHENTICATED_PAST=true'),
    });
    expect(calls).toBe(0);
    const known = await bench({
      authenticator: { identify: () => ({ outcome: 'known', caller: 'token:ci' }) },
    });
    const headers = { authorization: 'Bearer x' };
    const url = `/cujs/signup/status?version=v2&at=${at}`;
    expect((await known.app.inject({ url, headers })).statusCode).toBe(200);
  });

  it('is inconclusive under recomputed where the source fails or does not answer', async () => {
    const { app, world } = await open();
    world.measure = () => new Promise(() => {});
    const answer = app.inject(`/cujs/signup/status?version=v2&at=${at}`);
    await expect.poll(() => world.timers.length).toBeGreaterThan(0);
    while (world.timers.length > 0) world.timers.shift()?.fire();
    const body = (await answer).json();
    expect(body).not.toHaveProperty('verdict');
    expect(body.recomputed).toMatchObject({ verdict: 'inconclusive', reason: 'source_timeout' });
  });

  it('does not wait in a line without an end, and takes no place from questions about now', async () => {
    const { app, world } = await open({ maxInflight: 1 });
    world.measure = () => new Promise(() => {});
    const url = (i: number) => `/cujs/signup/status?version=v${i}&at=${at}`;
    for (let i = 0; i < maxPastInflight; i += 1) void app.inject(url(i));
    await expect.poll(() => world.timers.length).toBe(maxPastInflight);
    const answer = await app.inject(url(99));
    expect(answer.statusCode).toBe(429);
    expect(answer.json()).toMatchObject({ code: 'rate_limited' });
    world.measure = async (query) => snapshotOf(query, broken, healthy);
    expect((await app.inject('/cujs/signup/status?version=v2')).json()).toMatchObject({ verdict: 'fail' });
    while (world.timers.length > 0) world.timers.shift()?.fire();
  });
});
