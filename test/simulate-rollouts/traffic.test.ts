import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/demo/datadog/random.ts';
import { bucketMs, type Snapshot } from '../../src/domain/metrics/metrics-source.ts';
import type { QueryBatch } from '../../src/domain/registry/model.ts';
import { setUp } from './simulate.ts';
import { type DrawnCounts, routesOf, Traffic, type Truth } from './traffic.ts';

const { registry } = await setUp({ availabilityOnly: false, analysis: 'cujs' });
const service = 'member-api';
const startMs = Date.UTC(2026, 0, 31, 12, 0, 20);
const minute = 60_000;
const batch = registry.batchOfService.get(service) as QueryBatch;
const { signal } = new AbortController();
const rates = (canary: number, stable = 0) =>
  new Map(
    routesOf(registry, service).map(({ resource }) => [
      resource,
      { canary, stable, canarySlow: 0.5, stableSlow: 0 },
    ]),
  );
const good: Truth = { endpoints: rates(0), faulty: new Set(), incidents: [] };

function trafficOf(truth: Truth): Traffic {
  return new Traffic({ registry, service, requestsPerSecond: 1000, startMs, random: seededRandom(1), truth });
}

async function snapshotAt(traffic: Traffic, toMs: number, nowMs = toMs): Promise<Snapshot> {
  const canary = { terms: [{ key: 'version', value: 'new' }] };
  const stable = { terms: [{ key: 'version', value: 'old' }] };
  const fromMs = toMs - 120 * bucketMs;
  return traffic
    .source(() => nowMs)
    .measure({ batch, canary, stable, fromMs, toMs, stepMs: bucketMs }, signal);
}

/** Requests and failures of all endpoints of a side, minute by minute. */
function countsOf(snapshot: Snapshot, side: 'canary' | 'stable', what: 'total' | 'bad'): number[] {
  const series = [...(snapshot.services.get(service)?.[side].requests.values() ?? [])];
  return Array.from({ length: 120 }, (_, i) => series.reduce((sum, of) => sum + (of[what][i] ?? 0), 0));
}

const toMs = Math.floor(startMs / bucketMs) * bucketMs + 10 * bucketMs;

describe('the simulated traffic', () => {
  it('gives the canary its weight of the traffic from the second on in which it was set', async () => {
    const traffic = trafficOf(good);
    traffic.setWeight(startMs + 10_000, 0.25);
    const snapshot = await snapshotAt(traffic, toMs);
    const [canary, stable] = [countsOf(snapshot, 'canary', 'total'), countsOf(snapshot, 'stable', 'total')];
    expect(canary.slice(0, 110).every((count) => count === 0)).toBe(true);
    const shares = canary.map((count, i) => count / (count + (stable[i] as number)));
    // Half of the first minute, then all of each.
    expect(shares[110]).toBeCloseTo(0.125, 1);
    for (const share of shares.slice(111)) expect(share).toBeCloseTo(0.25, 1);
  });

  it('tells of every bucket that is over, once', () => {
    const told: DrawnCounts[] = [];
    const traffic = new Traffic({
      ...{ registry, service, requestsPerSecond: 1000, startMs, random: seededRandom(1), truth: good },
      shape: () => 1,
      onDrawn: (drawn) => told.push(drawn),
    });
    traffic.setWeight(startMs, 0.25);
    traffic.advanceTo(startMs + 9_999);
    expect(Math.max(...told.map(({ fromMs }) => fromMs))).toBe(startMs - 10_000);
    expect(told.every(({ side }) => side === 'stable')).toBe(true);
    told.length = 0;
    traffic.advanceTo(startMs + 19_999);
    traffic.advanceTo(startMs + 20_000);
    expect([...new Set(told.map(({ fromMs }) => fromMs))]).toEqual([startMs, startMs + 10_000]);
    const canary = told.filter((drawn) => drawn.service === service && drawn.side === 'canary');
    const requests = canary.reduce((sum, { total }) => sum + total, 0);
    // A quarter of the service's share of 1,000 requests/s, over 20 s.
    expect(requests / (20 * 250 * 0.551)).toBeCloseTo(1, 1);
    expect(told.some((drawn) => drawn.service === 'payment-api')).toBe(true);
  });

  it('has failures in the minutes and on the sides of an incident alone', async () => {
    const traffic = trafficOf({
      ...good,
      incidents: [
        { from: { after: 'canary', ms: 2 * minute }, lastsMs: 2 * minute, sides: 'both', rate: 0.2 },
      ],
    });
    traffic.setWeight(startMs + 40_000, 0.25);
    const snapshot = await snapshotAt(traffic, toMs);
    for (const side of ['canary', 'stable'] as const) {
      const [bad, total] = [countsOf(snapshot, side, 'bad'), countsOf(snapshot, side, 'total')];
      expect(bad.map((count, i) => (count > 0 ? i : -1)).filter((i) => i >= 0)).toEqual([113, 114]);
      expect((bad[113] as number) / (total[113] as number)).toBeCloseTo(0.2, 1);
    }
  });

  it('shows an earlier attempt, and a silence after it', async () => {
    const attempt = { weight: 0.25, fromMs: -11 * minute, untilMs: -6 * minute };
    const canary = countsOf(await snapshotAt(trafficOf({ ...good, attempt }), toMs), 'canary', 'total');
    // Ten minutes end 9:40 after the start; the attempt began 20:40 before that.
    expect(canary.map((count, i) => (count > 0 ? i : -1)).filter((i) => i >= 0)).toEqual([
      99, 100, 101, 102, 103, 104,
    ]);
  });

  it('counts slow requests for the thresholds of the registry', async () => {
    const traffic = trafficOf(good);
    traffic.setWeight(startMs, 0.5);
    const side = (await snapshotAt(traffic, toMs)).services.get(service)?.canary;
    expect([...(side?.latency.keys() ?? [])].sort()).toEqual([300, 500]);
    const [series] = [...(side?.latency.get(500)?.values() ?? [])];
    expect((series?.bad[115] as number) / (series?.total[115] as number)).toBeCloseTo(0.5, 1);
  });

  it('does not answer while Datadog is away', async () => {
    const traffic = trafficOf({
      ...good,
      away: { from: { after: 'start', ms: minute }, lastsMs: 5 * minute },
    });
    await expect(snapshotAt(traffic, toMs, startMs + 2 * minute)).rejects.toThrow('Datadog');
    await expect(snapshotAt(traffic, toMs, startMs + 6 * minute)).resolves.toBeDefined();
  });

  it("knows the first failure of the release, and its failures until the rollout's end", async () => {
    const [resource] = rates(0).keys();
    const traffic = trafficOf({ ...good, endpoints: rates(1), faulty: new Set([resource as string]) });
    traffic.setWeight(startMs + 40_000, 0.25);
    traffic.setWeight(startMs + 100_000, 0);
    const { requests, failed, faultyRequests } = traffic.finish(startMs + 100_000);
    expect(failed).toBe(requests);
    expect(faultyRequests).toBeGreaterThan(0);
    expect(faultyRequests).toBeLessThan(requests);
    expect(traffic.firstFaultMs).toBeGreaterThanOrEqual(startMs + 40_000);
    expect(traffic.firstFaultMs).toBeLessThan(startMs + 45_000);
  });
});
