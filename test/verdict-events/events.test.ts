import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Registry as MetricsRegistry } from 'prom-client';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Verdict } from '../../src/domain/judge/judge.ts';
import type { AskedAbout } from '../../src/domain/ports/verdict-history.ts';
import { EventLimits } from '../../src/verdict-events/event-limits.ts';
import { EventQueue } from '../../src/verdict-events/event-queue.ts';
import { FolderStore } from '../../src/verdict-history/folder-store.ts';
import { createHistoryMetrics } from '../../src/verdict-history/metrics.ts';
import { nowMs } from '../http/fixture.ts';
import { eventsKey, minuteMs, question, replica, startIntake } from './world.ts';

const signup: AskedAbout = { kind: 'cuj', name: 'signup', params: { version: 'v2' } };
const failed = {
  verdict: 'fail',
  reason: 'slo_violated',
  summary: 'FAIL signup (slo_violated)',
  hint: '',
  cuj: 'signup',
  canary: 'version:v2',
  services: ['member-api'],
  owner: 'team-identity',
  mode: 'enforce',
} as unknown as Verdict;

const changesOf = (intake: { readonly events: readonly { readonly title: string }[] }) =>
  intake.events.map(({ title }) => title.replace('[cuj-gate] signup version:v2: ', ''));

describe('what is told', () => {
  it('is a fail, at once and as final, with who, where and the page', async () => {
    const intake = await startIntake();
    const gate = await replica(intake.url);
    await gate.ask(nowMs, 'broken');
    await expect.poll(() => intake.events.length).toBe(1);
    const [event] = intake.events;
    expect(event).toMatchObject({
      title: '[cuj-gate] signup version:v2: fail, final',
      timestamp: new Date(nowMs).toISOString(),
      aggregation_key: expect.stringMatching(/^cuj-gate:[0-9a-f]{32}$/),
      attributes: {
        changed_resource: { type: 'configuration', name: 'signup version:v2' },
        impacted_resources: [{ type: 'service', name: 'member-api' }],
        new_value: { verdict: 'fail', reason: 'slo_violated', final: true, mode: 'enforce' },
        change_metadata: { link: 'https://gate.example.com/v/signup/v2/2026-01-31T08:59:50Z' },
      },
    });
    expect(event?.tags).toEqual([
      'managed-by:cuj-gate',
      'verdict:fail',
      'reason:slo_violated',
      'final:true',
      'mode:enforce',
      'canary:version:v2',
      'version:v2',
      'env:production',
      'service:member-api',
      'cuj:signup',
      'team:team-identity',
    ]);
    expect(event?.message).toMatch(/^FAIL signup \(slo_violated\)/);
    expect(event?.message).toContain('Owner: team-identity');
    // The key for queries is not used, and no application key is sent.
    const [call] = intake.calls;
    expect([call?.headers['dd-api-key'], call?.headers['dd-application-key']]).toEqual([
      eventsKey,
      undefined,
    ]);
  });

  it('is a pass once it has been given for two minutes, and again as final when nobody asks any more', async () => {
    const intake = await startIntake();
    const gate = await replica(intake.url);
    await gate.ask(nowMs, 'silent');
    for (let i = 1; i <= 4; i += 1) await gate.ask(nowMs + i * 30_000, 'healthy');
    expect(intake.events).toEqual([]);
    await gate.ask(nowMs + 150_000, 'healthy');
    await expect.poll(() => changesOf(intake)).toEqual(['pass']);
    await gate.ask(nowMs + 180_000, 'healthy');
    await gate.sweepAt(nowMs + 180_000 + 9 * minuteMs);
    await gate.sweepAt(nowMs + 180_000 + 10 * minuteMs);
    await expect.poll(() => changesOf(intake)).toEqual(['pass', 'pass, final']);
    await gate.sweepAt(nowMs + 60 * minuteMs);
    await expect.poll(() => gate.count('cuj_gate_change_events_sent_total')).toBe(2);
    expect(intake.events[0]?.aggregation_key).toBe(intake.events[1]?.aggregation_key);
    // The time is that of the last answer, and the page too.
    expect(intake.events[1]).toMatchObject({
      timestamp: new Date(nowMs + 180_000).toISOString(),
      attributes: { change_metadata: { link: 'https://gate.example.com/v/signup/v2/2026-01-31T09:02:50Z' } },
    });
  });

  it('is nothing while a verdict changes at each look', async () => {
    const intake = await startIntake();
    const gate = await replica(intake.url);
    for (let i = 0; i < 40; i += 1) await gate.ask(nowMs + i * 30_000, i % 2 === 0 ? 'healthy' : 'silent');
    await gate.sweepAt(nowMs + 60 * minuteMs);
    await expect.poll(() => changesOf(intake)).toEqual(['inconclusive, final']);
  });

  it('is a fail of a retry as well, and nothing of the questions of people after a fail', async () => {
    const intake = await startIntake();
    const gate = await replica(intake.url);
    await gate.ask(nowMs, 'broken');
    for (let i = 1; i <= 3; i += 1) await gate.ask(nowMs + i * minuteMs, 'broken');
    await gate.ask(nowMs + 4 * minuteMs, 'silent');
    await gate.ask(nowMs + 5 * minuteMs, 'broken');
    await gate.sweepAt(nowMs + 15 * minuteMs);
    const retriedMs = nowMs + 16 * minuteMs;
    await gate.ask(retriedMs, 'silent');
    await gate.ask(retriedMs + minuteMs, 'broken');
    await expect.poll(() => changesOf(intake)).toEqual(['fail, final', 'fail, final']);
  });

  it('is a pass after a fail, with what it was before', async () => {
    const intake = await startIntake();
    const gate = await replica(intake.url);
    await gate.ask(nowMs, 'broken');
    for (let i = 1; i <= 3; i += 1) await gate.ask(nowMs + i * minuteMs, 'healthy');
    await expect.poll(() => changesOf(intake)).toEqual(['fail, final', 'pass']);
  });

  it('is nothing about a single question: it is no rollout', async () => {
    const intake = await startIntake();
    const gate = await replica(intake.url);
    await gate.ask(nowMs, 'healthy');
    await gate.sweepAt(nowMs + 20 * minuteMs);
    await gate.close();
    expect(intake.calls).toEqual([]);
  });

  it('is the verdict that a report-only CUJ would have', async () => {
    const intake = await startIntake();
    const gate = await replica(intake.url);
    await gate.ask(nowMs, 'broken', '/cujs/browse/status?version=v2');
    await expect.poll(() => intake.events.length).toBe(1);
    expect(intake.events[0]?.title).toBe('[cuj-gate] browse version:v2: fail, final, report-only');
    expect(intake.events[0]?.tags).toContain('mode:observe');
  });

  it('names the CUJs that fail a service, and their teams', async () => {
    const intake = await startIntake();
    const gate = await replica(intake.url);
    await gate.ask(nowMs, 'broken', '/services/member-api/status?version=v2');
    await expect.poll(() => intake.events.length).toBe(1);
    expect(intake.events[0]?.title).toBe('[cuj-gate] member-api version:v2: fail, final');
    expect(intake.events[0]?.tags).toEqual(
      expect.arrayContaining(['service:member-api', 'cuj:login', 'cuj:signup', 'team:team-identity']),
    );
  });

  it('is bounded, which costs no answer', async () => {
    const intake = await startIntake();
    const gate = await replica(intake.url);
    const entry = { atMs: nowMs, about: signup, caller: undefined, judged: [], verdict: failed };
    for (let i = 0; i < 70; i += 1) gate.events.noted(`release ${i}`, entry);
    await expect.poll(() => gate.count('cuj_gate_change_events_sent_total'), { timeout: 10_000 }).toBe(60);
    expect(await gate.count('cuj_gate_change_events_dropped_total{reason="too_many"}')).toBe(10);
    expect(gate.warnings).toMatchObject([{ reason: 'too_many', dropped: 1 }]);
  });
});

describe('the limits', () => {
  it('keep a quarter for fails, for each service and in all', () => {
    const clock = { nowMs: 0 };
    const limits = new EventLimits(() => clock.nowMs);
    const taken = (service: string, isFail: boolean) => {
      let count = 0;
      while (limits.refusal([service], isFail) === undefined) count += 1;
      return count;
    };
    expect(taken('member-api', false)).toBe(45);
    expect(limits.refusal(['member-api'], false)).toBe('more than 60 events an hour about member-api');
    expect(taken('member-api', true)).toBe(15);
    for (const service of ['a', 'b', 'c', 'd', 'e']) taken(service, false);
    expect(limits.refusal(['f'], false)).toBe('more than 600 events an hour');
    expect(limits.refusal(['f'], true)).toBeUndefined();
    clock.nowMs += 10 * minuteMs;
    expect(taken('member-api', true)).toBe(10);
    clock.nowMs -= 5 * minuteMs;
    expect(taken('member-api', true)).toBe(0);
  });
});

it('makes valid tags and texts of hostile ones', async () => {
  const intake = await startIntake();
  const gate = await replica(intake.url);
  const hostile = '\u202e, "A" \u2066x\u2069\u0000';
  const verdict = {
    ...failed,
    summary: `FAIL ${hostile} ${'s'.repeat(5_000)}`,
    canary: `version:${'\u{1d4b3}'.repeat(300)}`,
    services: [`member ${hostile}`],
    owner: `Équipe${hostile}${'x'.repeat(300)}`,
  } as unknown as Verdict;
  const params = { version: `V2.1+build, 7${hostile}` };
  gate.events.noted('r', {
    atMs: nowMs,
    about: { ...signup, params },
    caller: undefined,
    judged: [],
    verdict,
  });
  await expect.poll(() => intake.calls[0]?.status).toBe(202);
  // The simulator refuses a tag that Datadog would change, and texts that are too long.
  const [event] = intake.events;
  expect(event?.tags).toEqual(
    expect.arrayContaining([
      'version:v2.1_build_7_a_x',
      'service:member_a_x',
      `team:équipe_a_x_${'x'.repeat(184)}`,
    ]),
  );
  const canary = event?.tags.find((tag) => tag.startsWith('canary:')) ?? '';
  expect(canary).toMatch(/^canary:version:(\u{1d4b3}){92}$/u);
  expect(JSON.stringify(event)).not.toMatch(/[\u202a-\u202e\u2066-\u2069]|\\u/);
});

describe('a Datadog that does not take events', () => {
  it('costs no answer while it hangs, and a second at the end', async () => {
    const intake = await startIntake();
    intake.setFault(() => ({ kind: 'hang' }));
    const gate = await replica(intake.url);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    for (let i = 0; i < 5; i += 1) await gate.ask(nowMs, 'broken', `${question}${i}`);
    await expect.poll(() => intake.calls.length).toBe(1);
    const closed = gate.close();
    await vi.advanceTimersByTimeAsync(1_000);
    await closed;
    expect(await gate.count('cuj_gate_change_events_dropped_total{reason="shutdown"}')).toBe(5);
    expect(gate.warnings).toMatchObject([{ reason: 'shutdown' }]);
  });

  it('with a 429 is asked again after the time that it names, and the event arrives with its own time', async () => {
    const intake = await startIntake();
    intake.faults.push({ kind: 'rate_limited', times: 1, limits: { resetSeconds: 77 } });
    const gate = await replica(intake.url);
    await gate.ask(nowMs, 'broken');
    await expect.poll(() => intake.events.length).toBe(1);
    expect(gate.pauses).toEqual([77_000]);
    expect(intake.events[0]?.timestamp).toBe(new Date(nowMs).toISOString());
    expect(gate.warnings).toEqual([]);
  });

  it('with a 429 for longer than ten minutes loses the event, which is counted', async () => {
    const intake = await startIntake();
    intake.faults.push({ kind: 'rate_limited', limits: { resetSeconds: 700 } });
    const gate = await replica(intake.url);
    await gate.ask(nowMs, 'broken');
    await expect
      .poll(() => gate.count('cuj_gate_change_events_dropped_total{reason="rate_limited"}'))
      .toBe(1);
    expect(gate.warnings).toMatchObject([{ reason: 'rate_limited', dropped: 1 }]);
  });

  it('with a wrong key is not asked twice, and the key is in no log line, though the answer has it', async () => {
    const intake = await startIntake();
    intake.setFault(() => ({
      kind: 'status',
      status: 403,
      body: JSON.stringify({ errors: [`the key ${eventsKey} is unknown`] }),
    }));
    const gate = await replica(intake.url);
    await gate.ask(nowMs, 'broken');
    await expect.poll(() => gate.count('cuj_gate_change_events_dropped_total{reason="rejected"}')).toBe(1);
    expect(intake.calls).toHaveLength(1);
    expect(gate.warnings).toMatchObject([
      { reason: 'rejected', why: 'Datadog answered 403: the key [redacted] is unknown' },
    ]);
    expect(JSON.stringify(gate.warnings)).not.toContain(eventsKey);
  });

  it('with a page of a proxy has not taken the event', async () => {
    const intake = await startIntake();
    intake.setFault(() => ({ kind: 'html' }));
    const gate = await replica(intake.url);
    await gate.ask(nowMs, 'broken');
    await expect.poll(() => gate.pauses.length, { timeout: 5_000 }).toBeGreaterThan(0);
    intake.setFault(undefined);
    await expect.poll(() => gate.count('cuj_gate_change_events_sent_total'), { timeout: 5_000 }).toBe(1);
  });

  it('holds two hundred events at most', async () => {
    const dropped: string[] = [];
    const queue = new EventQueue<number>({
      now: () => 0,
      send: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
      onSent: () => {},
      onDropped: (reason) => void dropped.push(reason),
    });
    for (let i = 0; i < 203; i += 1) queue.add(i);
    expect(dropped).toEqual(['queue_full', 'queue_full', 'queue_full']);
    await queue.close(0);
    expect(dropped).toHaveLength(203);
    queue.add(0);
    expect(dropped.at(-1)).toBe('shutdown');
  });
});

describe('a restart', () => {
  it('with a history in a folder tells nothing twice', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'events-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const intake = await startIntake();
    const start = (atMs: number) => {
      const store = new FolderStore({ folder, maxBytes: 1e9, maxAgeMs: 1e12, now: () => atMs });
      const changes = { store, metrics: createHistoryMetrics(new MetricsRegistry()) };
      return replica(intake.url, { atMs, changes });
    };
    const first = await start(nowMs);
    for (let i = 0; i <= 3; i += 1) await first.ask(nowMs + i * minuteMs, 'healthy');
    await expect.poll(() => changesOf(intake)).toEqual(['pass']);
    await first.close();
    const second = await start(nowMs + 4 * minuteMs);
    for (let i = 4; i <= 8; i += 1) await second.ask(nowMs + i * minuteMs, 'healthy');
    await second.ask(nowMs + 9 * minuteMs, 'broken');
    await expect.poll(() => changesOf(intake)).toEqual(['pass', 'pass -> fail, final']);
    await second.close();
    const third = await start(nowMs + 10 * minuteMs);
    await third.ask(nowMs + 10 * minuteMs, 'broken');
    await third.close();
    expect(changesOf(intake)).toEqual(['pass', 'pass -> fail, final']);
  });

  it('without any store tells it again, under the same key', async () => {
    const intake = await startIntake();
    for (const atMs of [nowMs, nowMs + minuteMs]) {
      const gate = await replica(intake.url, { atMs });
      await gate.ask(atMs, 'broken');
      await expect.poll(() => gate.count('cuj_gate_change_events_sent_total')).toBe(1);
      await gate.close();
    }
    expect(new Set(intake.events.map((event) => event.aggregation_key)).size).toBe(1);
    expect(intake.events).toHaveLength(2);
  });
});
