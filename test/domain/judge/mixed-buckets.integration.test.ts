import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge, type Verdict } from '../../../src/domain/judge/judge.ts';
import { judgeAgain, parseRecord, recordOf } from '../../../src/domain/judge/verdict-record.ts';
import { resolveRequest } from '../../../src/domain/metrics/evaluation-request.ts';
import { measuredUntil, measurementOf, type Snapshots } from '../../../src/domain/metrics/measurement.ts';
import type { Cuj } from '../../../src/domain/registry/model.ts';
import { type FineTraffic, fineFromMs, snapshotsAt } from '../metrics/fine-traffic.ts';
import { registryOf } from './journey.ts';

/** One CUJ over two services, one known in buckets of 10 s and one in buckets of 30 s. */

const tens = 10_000;
const begin = 60;
const canaryBeginMs = fineFromMs + begin * tens;
const perBucket = 20;
const registry = registryOf(`
  { "apiVersion": "cuj-gate/v1",
    "defaults": { "slo": { "availability": 99.95 }, "gate": { "maxWindow": "30m" } },
    "services": {
      "shop": { "env": "prod", "operation": "http.request", "canary": "version:{version}" },
      "auth": { "env": "prod", "operation": "http.request", "canary": "version:{version}" } },
    "cujs": [ { "name": "login", "owner": "t", "service": "shop",
                "endpoints": ["GET /a", { "service": "auth", "method": "GET", "path": "/a" }] } ] }`);
const cuj = registry.cujs.get('login') as Cuj;
const request = resolveRequest(registry, cuj, { cuj: 'login', params: new Map([['version', 'v2']]) });

/** Two canary requests a second, which all fail between two times (ms after the canary's begin). */
function failing(fromMs: number, toMs: number): FineTraffic {
  const buckets = Array.from({ length: 40 * 6 }, (_, i) => (i - begin) * tens);
  const bad = buckets.map((atMs) => {
    const overlapMs = Math.min(atMs + tens, toMs) - Math.max(atMs, fromMs);
    return atMs < 0 ? 0 : Math.round((Math.max(0, overlapMs) / tens) * perBucket);
  });
  return {
    canary: { total: buckets.map((atMs) => (atMs < 0 ? 0 : perBucket)), bad },
    stable: { total: buckets.map(() => 120), bad: buckets.map(() => 0) },
  };
}
const sound = failing(0, 0);

/** The second service's snapshots, by its own name. */
function renamed({ past, recent }: Snapshots): Snapshots {
  const rename = <S extends Snapshots['recent']>(snapshot: S): S => ({
    ...snapshot,
    services: new Map([...snapshot.services.values()].map((counts) => ['auth', counts])),
  });
  return { ...(past === undefined ? {} : { past: rename(past) }), recent: rename(recent) };
}

function judgedAt(fine: FineTraffic, coarse: FineTraffic, atMs: number): Verdict {
  const toMs = canaryBeginMs + atMs;
  const snapshots = new Map([
    ['shop', snapshotsAt(fine, toMs, { stepMs: 10_000 })],
    ['auth', renamed(snapshotsAt(coarse, toMs, { stepMs: 30_000 }))],
  ]);
  const measurement = measurementOf(request, snapshots, measuredUntil(request, snapshots, toMs));
  const options = { registryDigest: 'sha256:test' };
  const verdict = judge(cuj, measurement, options);
  // What was written down gives the same verdict.
  const text = JSON.stringify(recordOf({ cuj, options, measurement, verdict }));
  expect(judgeAgain(parseRecord(text)).same).toBe(true);
  return verdict;
}

const seeded = { seed: 20260131, numRuns: 10 };

describe('a CUJ whose services are known in buckets of different length', () => {
  it.each([
    ['the one with short buckets', true, false],
    ['the one with long buckets', false, true],
    ['both', true, true],
  ])('never fails by 25 s of total failure in %s, however old it gets', (_, inFine, inCoarse) => {
    fc.assert(
      fc.property(fc.integer({ min: 240_000, max: 480_000 }), (fromMs) => {
        const blip = failing(fromMs, fromMs + 25_000);
        const first = Math.ceil(fromMs / tens);
        for (let at = first; at < first + 90; at += at < first + 12 ? 1 : 7) {
          const verdict = judgedAt(inFine ? blip : sound, inCoarse ? blip : sound, at * tens);
          expect(verdict.verdict, `${at * tens - fromMs} ms after its begin`).not.toBe('fail');
        }
      }),
      seeded,
    );
  });

  it.each([
    ['50 s in the one with short buckets', 50_000, true],
    ['90 s in the one with long buckets', 90_000, false],
  ])('fails by %s, as soon as either would alone', (_, knownMs, inFine) => {
    fc.assert(
      fc.property(fc.integer({ min: 60_000, max: 400_000 }), (fromMs) => {
        const fault = failing(fromMs, Number.POSITIVE_INFINITY);
        const atMs = Math.ceil((fromMs + knownMs) / tens) * tens;
        expect(judgedAt(inFine ? fault : sound, inFine ? sound : fault, atMs).verdict).toBe('fail');
      }),
      seeded,
    );
  });
});
