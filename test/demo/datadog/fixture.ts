import {
  type Simulator,
  type SimulatorOptions,
  startDatadogSimulator,
} from '../../../src/demo/datadog/simulator.ts';
import { EventStore, type StoreOptions } from '../../../src/demo/datadog/store.ts';

/** A Tuesday noon, on the minute and on the hour: 10 s slots, minutes and hours all begin here. */
export const NOON = Date.UTC(2026, 2, 10, 12, 0, 0);
export const MINUTE = 60_000;

/** A store whose clock is set by the test. */
export function storeAt(epochMs: number, options: Omit<StoreOptions, 'now'> = {}) {
  const clock = { now: epochMs };
  return { clock, store: new EventStore({ now: () => clock.now, ...options }) };
}

const running: Simulator[] = [];

/** A running simulator whose clock is set by the test. */
export async function simulatorAt(epochMs: number, options: Partial<SimulatorOptions> = {}) {
  const clock = { now: epochMs };
  const simulator = await startDatadogSimulator({ now: () => clock.now, ...options });
  running.push(simulator);
  return { clock, simulator };
}

export async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((simulator) => simulator.stop()));
}

/** By default one request of the sign-up endpoint of member-api. */
export const signup = {
  operation: 'http.request',
  env: 'production',
  service: 'member-api',
  version: 'v1.41.0',
  resource: 'POST /api/v1/signup',
  statusCode: 200,
};

export async function post(simulator: Simulator, kind: 'timeseries' | 'scalar', attributes: object) {
  const response = await fetch(`${simulator.url}/api/v2/query/${kind}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ data: { type: `${kind}_request`, attributes } }),
  });
  const body = JSON.parse(await response.text());
  return { response, body, attributes: body.data?.attributes, errors: body.errors };
}

export async function get(simulator: Simulator, path: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${simulator.url}${path}`, { headers });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

/** An attributes object with one query and one formula of the same name. */
export function ask(query: string, fromMs: number, toMs: number, more: object = {}) {
  const queries = [{ data_source: 'metrics', name: 'a', query, aggregator: 'sum' }];
  return { from: fromMs, to: toMs, queries, formulas: [{ formula: 'a' }], ...more };
}
