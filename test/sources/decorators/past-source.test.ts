import { describe, expect, it } from 'vitest';
import type { BatchQuery, MetricsSource, Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import { createPastSource, LiveCalls, PastAllowance } from '../../../src/sources/decorators/past-source.ts';

const query = { batch: { services: [] } } as unknown as BatchQuery;
const never = new AbortController().signal;
const snapshot = {} as Snapshot;

/** A source whose calls end when the test says so. */
function manual() {
  const calls: (() => void)[] = [];
  const source: MetricsSource = {
    measure: () =>
      new Promise((resolve) => {
        calls.push(() => resolve(snapshot));
      }),
  };
  return { source, calls };
}

function setUp({ maxWaitMs = 60_000 } = {}) {
  const clock = { ms: 0 };
  const live = new LiveCalls();
  const allowance = new PastAllowance(() => clock.ms);
  const { source, calls } = manual();
  const past = createPastSource(source, { live, allowance, maxConcurrent: 2, maxWaitMs });
  const now = manual();
  return { clock, allowance, past, calls, now: { source: live.counted(now.source), calls: now.calls } };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('calls about the past', () => {
  it('are two at a time, in their order', async () => {
    const { past, calls } = setUp();
    const answers = [1, 2, 3, 4].map(() => past.measure(query, never));
    await settle();
    expect(calls).toHaveLength(2);
    calls[0]?.();
    await settle();
    expect(calls).toHaveLength(3);
    for (let i = 1; i < 4; i += 1) {
      calls[i]?.();
      await settle();
    }
    await Promise.all(answers);
  });

  it('wait until no call about now is under way', async () => {
    const { past, calls, now } = setUp();
    const live = [now.source.measure(query, never), now.source.measure(query, never)];
    const answer = past.measure(query, never);
    await settle();
    now.calls[0]?.();
    await settle();
    expect(calls).toHaveLength(0);
    now.calls[1]?.();
    await Promise.all(live);
    await settle();
    expect(calls).toHaveLength(1);
    calls[0]?.();
    await answer;
  });

  it('go on after a failure', async () => {
    const live = new LiveCalls();
    let fails = true;
    const source: MetricsSource = {
      measure: async () => {
        if (fails) throw new Error('broken');
        return snapshot;
      },
    };
    const allowance = new PastAllowance(() => 0);
    const past = createPastSource(source, { live, allowance, maxConcurrent: 1, maxWaitMs: 60_000 });
    for (let i = 0; i < 3; i += 1) await expect(past.measure(query, never)).rejects.toThrow('broken');
    await expect(live.counted(source).measure(query, never)).rejects.toThrow('broken');
    fails = false;
    expect(await past.measure(query, never)).toBe(snapshot);
  });

  it('give up where those about now leave no time, or the caller has gone', async () => {
    const { past, now, calls } = setUp({ maxWaitMs: 5 });
    void now.source.measure(query, never);
    await expect(past.measure(query, never)).rejects.toMatchObject({ code: 'gate_overloaded' });
    const patient = setUp();
    void patient.now.source.measure(query, never);
    const gone = new AbortController();
    const answer = patient.past.measure(query, gone.signal);
    gone.abort();
    await expect(answer).rejects.toMatchObject({ code: 'gate_overloaded' });
    expect([...calls, ...patient.calls]).toEqual([]);
  });
});

describe('the rate limit', () => {
  it('is left to questions about now as soon as half of it is used, until its reset', async () => {
    const { past, allowance, clock, calls } = setUp();
    allowance.note({ remaining: 51, limit: 100, resetSeconds: 30 });
    const answer = past.measure(query, never);
    await settle();
    calls[0]?.();
    await answer;
    allowance.note({ remaining: 49, limit: 100, resetSeconds: 30 });
    await expect(past.measure(query, never)).rejects.toMatchObject({
      code: 'source_rate_limited',
      retryAfterSeconds: 30,
    });
    clock.ms = 29_999;
    expect(allowance.take()).toBe(1);
    clock.ms = 30_000;
    expect(allowance.take()).toBeUndefined();
  });

  it('that Datadog has used up stops them, and one that is fresh lets them go on', () => {
    const { allowance } = setUp();
    allowance.note({ remaining: 0, resetSeconds: 10 });
    expect(allowance.take()).toBe(10);
    allowance.note({ remaining: 99, limit: 100, resetSeconds: 60 });
    expect(allowance.take()).toBeUndefined();
  });

  it('has a share of 40 calls at once and 10 a minute where Datadog says nothing', () => {
    const { allowance, clock } = setUp();
    const taken = () => {
      let count = 0;
      while (allowance.take() === undefined) count += 1;
      return count;
    };
    expect(taken()).toBe(40);
    expect(allowance.take()).toBe(6);
    clock.ms = 60_000;
    expect(taken()).toBe(10);
    clock.ms = 10 * 3_600_000;
    expect(taken()).toBe(40);
  });
});
