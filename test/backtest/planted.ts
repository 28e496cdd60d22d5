import type { Simulator } from '../../src/demo/datadog/simulator.ts';
import { hits } from '../doctor/clinic.ts';

const MINUTE = 60_000;

/** Requests a minute of the shop at full traffic. */
export const perMinute: Readonly<Record<string, number>> = {
  'GET /items/:id': 200,
  'POST /orders': 40,
  'GET /search': 160,
};

interface Phase {
  /** Minutes since the beginning. */
  readonly from: number;
  readonly to: number;
  readonly version: string;
  /** Share of the traffic. */
  readonly share: number;
  /** 5XX a minute by resource, in addition to the good requests. */
  readonly bad?: Readonly<Record<string, number>>;
}

/** Submits the requests of some versions; times are minutes since `begin`, epoch ms. */
export function plant({ store }: Simulator, begin: number, phases: readonly Phase[]): void {
  for (const { from, to, version, share, bad = {} } of phases) {
    for (let minute = from; minute < to; minute += 1) {
      for (const [resource, all] of Object.entries(perMinute)) {
        const event = { ...hits, version, resource, at: begin + minute * MINUTE };
        const failed = bad[resource] ?? 0;
        store.recordRequests({ ...event, statusCode: 200, count: all * share - failed });
        store.recordRequests({ ...event, statusCode: 500, count: failed });
      }
    }
  }
}

/**
 * Ten hours of the shop. v2 is good and gets all traffic after twenty minutes at 25%. v3 loses one order a minute from
 * its fourth minute on, is withdrawn after fifteen, and comes back repaired for twelve. v4 takes over at once. v0 is a
 * stray request.
 */
export function plantMonth(simulator: Simulator, begin: number): void {
  const orders = { 'POST /orders': 1 };
  plant(simulator, begin, [
    { from: 0, to: 190, version: 'v1', share: 1 },
    { from: 190, to: 210, version: 'v1', share: 0.75 },
    { from: 190, to: 210, version: 'v2', share: 0.25 },
    { from: 210, to: 380, version: 'v2', share: 1 },
    { from: 380, to: 395, version: 'v2', share: 0.75 },
    { from: 380, to: 383, version: 'v3', share: 0.25 },
    { from: 383, to: 395, version: 'v3', share: 0.25, bad: orders },
    { from: 395, to: 403, version: 'v2', share: 1 },
    { from: 403, to: 415, version: 'v2', share: 0.75 },
    { from: 403, to: 415, version: 'v3', share: 0.25 },
    { from: 415, to: 500, version: 'v2', share: 1 },
    { from: 500, to: 600, version: 'v4', share: 1 },
  ]);
  simulator.store.recordRequests({
    ...hits,
    version: 'v0',
    resource: 'GET /search',
    at: begin + 90 * MINUTE,
    statusCode: 500,
    count: 1,
  });
}
