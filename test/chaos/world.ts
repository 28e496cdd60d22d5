import { SLOT_MS } from '../../src/demo/datadog/points.ts';
import type { RequestSink } from '../../src/demo/datadog/store.ts';

/** The facts of a chaos run: the app, its versions, and how each version behaves. */

export interface Route {
  readonly service: string;
  readonly operation: string;
  readonly route: string;
  /** As Datadog normalises it. */
  readonly resource: string;
}

const route = (service: string, operation: string, text: string, resource: string): Route => ({
  service,
  operation,
  route: text,
  resource,
});

const member = (text: string, resource: string) => route('member-api', 'http.request', text, resource);
const matching = (text: string, resource: string) => route('matching-api', 'express.request', text, resource);

export const routes: readonly Route[] = [
  member('POST /api/v1/signup', 'post_/api/v1/signup'),
  member('POST /api/v1/signup/phone', 'post_/api/v1/signup/phone'),
  member('GET /api/v1/me', 'get_/api/v1/me'),
  member('GET /api/v1/profile', 'get_/api/v1/profile'),
  matching('GET /api/v1/search', 'get_/api/v1/search'),
  matching('POST /api/v1/users/:user_id/likes', 'post_/api/v1/users/:user_id/likes'),
  matching('GET /api/v1/matches', 'get_/api/v1/matches'),
];

export interface Journey {
  readonly routes: readonly string[];
  readonly rule?: 'strict' | 'baseline';
  /** Written as `endpoints: "*"`: its routes are all that their service has. */
  readonly whole?: true;
  /** Ms; absent where it has no objective of latency. */
  readonly latencyMs?: number;
  /** In mode observe; not in every registry. */
  readonly observed?: true;
}

/** Written separately in the registry as well: a CUJ's routes are a fact of the app, so the gate is not asked for them. */
export const journeys: Readonly<Record<string, Journey>> = {
  signup: { routes: ['POST /api/v1/signup', 'POST /api/v1/signup/phone'] },
  login: { routes: ['GET /api/v1/me'], latencyMs: 300 },
  profile: { routes: ['GET /api/v1/profile'], rule: 'strict' },
  search: { routes: ['GET /api/v1/search'] },
  like: { routes: ['POST /api/v1/users/:user_id/likes', 'GET /api/v1/matches'] },
  both: { routes: ['GET /api/v1/profile', 'GET /api/v1/matches'] },
  members: {
    routes: ['POST /api/v1/signup', 'POST /api/v1/signup/phone', 'GET /api/v1/me', 'GET /api/v1/profile'],
    whole: true,
  },
  compared: { routes: ['GET /api/v1/search', 'GET /api/v1/matches'], rule: 'baseline' },
  watched: { routes: ['GET /api/v1/search'], observed: true },
};

export interface Version {
  readonly name: string;
  /** Its behaviour in the planted traffic. */
  readonly nature: 'good' | 'broken' | 'slow' | 'small' | 'unlucky' | 'stable';
  readonly perSlot: number;
}

/** Requested, but without any traffic. */
export const unknownVersion = 'v9.9.9';
export const stableVersion = 'v1.0.0';

export const versions: readonly Version[] = [
  { name: stableVersion, nature: 'stable', perSlot: 90 },
  { name: 'v1.1.0', nature: 'good', perSlot: 60 },
  { name: 'v1.2.0', nature: 'broken', perSlot: 40 },
  { name: 'v1.3.0', nature: 'slow', perSlot: 40 },
  { name: 'v1.4.0', nature: 'small', perSlot: 0 },
  { name: 'v1.5.0', nature: 'unlucky', perSlot: 1 },
];

/** How long before the run the canaries began. */
const canaryAgeMs = 31 * 60_000;

/** Slow requests have a status of their own, for sinks that do not keep durations. */
export const slowStatus = 202;
/** Of the slow version. The rest is fast, so that its histograms have a bucket of fast ones. */
const slowShare = 0.9;

export interface World {
  /** Epoch ms of the minute in which every canary began. */
  readonly canaryBeganMs: number;
}

export interface Span {
  /** When the run starts, epoch ms. */
  readonly startMs: number;
  /** Of the run. */
  readonly seconds: number;
  /** Stable's traffic before the run. */
  readonly historyMs: number;
}

/**
 * Plants the traffic of some hours before the run and of the run itself. Every slot has counts of its own, so that a window
 * that is one minute off is detected. `resourceOf`: the name of a route in the sink.
 */
export function plantTraffic(
  sink: RequestSink,
  { startMs, seconds, historyMs }: Span,
  resourceOf: (route: Route) => string,
): World {
  const smallEvery = slotsPerSmallRequest(seconds);
  const canaryBeganMs = Math.floor((startMs - canaryAgeMs) / 60_000) * 60_000;
  const endMs = startMs + (seconds + 600) * 1000;
  for (const version of versions) {
    const from = version.nature === 'stable' ? startMs - historyMs : canaryBeganMs;
    const firstSlot = Math.ceil(from / SLOT_MS);
    for (const [at, route] of routes.entries()) {
      const { service, operation } = route;
      const stream = (statusCode: number) =>
        sink.requests({
          operation,
          env: 'production',
          service,
          version: version.name,
          resource: resourceOf(route),
          statusCode,
        });
      for (let slot = firstSlot; slot * SLOT_MS < endMs; slot += 1) {
        const wave = (slot * 7 + at * 3) % 11;
        const total = totalOf(version, wave, slot - firstSlot, smallEvery);
        const bad = badOf(version, total, slot, slot === firstSlot + 40 && at === 0);
        const slow = version.nature === 'slow' ? Math.ceil((total - bad) * slowShare) : 0;
        const epochMs = slot * SLOT_MS;
        const record = (statusCode: number, count: number, seconds: number) => {
          if (count > 0) stream(statusCode).record({ at: epochMs, count, durations: [[seconds, count]] });
        };
        record(200, total - bad - slow, 0.05);
        record(slowStatus, slow, 1.2);
        record(500, bad, 0.02);
      }
    }
  }
  return { canaryBeganMs };
}

/**
 * The small canary's maximum requests on a route by the end of the run. The CUJ with the most routes has four, and 207 clean
 * requests are a pass at the lowest objective, 99.9%.
 */
const maxSmallRequests = 45;

function slotsPerSmallRequest(seconds: number): number {
  return Math.max(6, Math.ceil((canaryAgeMs + seconds * 1000) / SLOT_MS / maxSmallRequests));
}

function totalOf({ nature, perSlot }: Version, wave: number, slot: number, smallEvery: number): number {
  // Slots count from the canary's begin, so that its first request is in its first minute, however rare requests are.
  if (nature === 'small') return slot % smallEvery === 0 ? 1 : 0;
  if (nature === 'unlucky') return 1;
  return perSlot + wave;
}

function badOf({ nature }: Version, total: number, slot: number, unluckySlot: boolean): number {
  if (nature === 'broken') return 2 + (slot % 5);
  if (nature === 'unlucky') return unluckySlot ? Math.min(1, total) : 0;
  // Well inside a 99.95% SLO: three in a hundred thousand.
  if (nature === 'stable') return slot % 331 === 0 ? 1 : 0;
  return 0;
}
