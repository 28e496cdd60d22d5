import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { createEvaluator, type Evaluator } from '../../src/evaluation/evaluator.ts';
import { DatadogConnection } from '../../src/sources/datadog/api/connection.ts';
import { createDatadogSource } from '../../src/sources/datadog/api/source.ts';
import { datadogDialect } from '../../src/sources/datadog/query/dialect.ts';

/** For three minutes callers get 401 from two endpoints of stable. In the same minutes the canary fails on another one. */

const minute = 60_000;
const now = Date.UTC(2026, 0, 31, 12, 0, 0);
const signIn = ['POST /sso', 'POST /token'];
const byStorm = { failure: ['5xx', 401] };
const loginByStorm = { method: 'POST', path: '/login', ...byStorm };
const payBy5xx = { method: 'POST', path: '/pay', failure: '5xx' };

const cuj = (name: string, endpoints: readonly unknown[], more: object = {}) => ({
  name,
  owner: 'team',
  service: 'web',
  endpoints,
  ...more,
});
const document = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99 }, gate: { maxWindow: '45m' } },
  services: { web: { env: 'production', operation: 'express.request', canary: 'version:{version}' } },
  cujs: [
    cuj('by 5xx', ['POST /pay', 'POST /login']),
    cuj('login by more', ['POST /pay', loginByStorm]),
    cuj('pay by less', [payBy5xx, 'POST /login'], byStorm),
    cuj('both by more', ['POST /pay', 'POST /login'], byStorm),
    cuj('sign-in', signIn, byStorm),
  ].map((one) => ({ ...one, name: one.name.replaceAll(' ', '-') })),
} as unknown as RegistryDocument;

let datadog: Simulator;
let connection: DatadogConnection;
let evaluator: Evaluator;

beforeAll(async () => {
  datadog = await startDatadogSimulator({ now: () => now, apiKey: 'k', applicationKey: 'a' });
  const record = (version: string, ago: number, resource: string, statusCode: number, count: number) => {
    if (count === 0) return;
    const at = now - ago * minute + 20_000;
    const errors = statusCode >= 500 ? count : 0;
    const request = {
      env: 'production',
      service: 'web',
      operation: 'express.request',
      version,
      at,
      resource,
    };
    datadog.store.recordRequests({ ...request, statusCode, count, errors });
  };
  for (let ago = 3; ago < 58; ago += 1) {
    const isBad = ago >= 4 && ago <= 6;
    for (const resource of signIn) {
      record('v1', ago, resource, 200, isBad ? 100 : 500);
      record('v1', ago, resource, 401, isBad ? 400 : 0);
    }
    for (const resource of ['POST /pay', 'POST /login']) record('v1', ago, resource, 200, 4);
    if (ago >= 15) continue;
    record('v2', ago, 'POST /pay', 200, isBad ? 15 : 20);
    record('v2', ago, 'POST /pay', 503, isBad ? 5 : 0);
    record('v2', ago, 'POST /login', 200, 20);
  }
  const keys = { apiKey: 'k', appKey: 'a' };
  const clock = { sleep: async () => {}, random: () => 0 };
  connection = new DatadogConnection({
    ...keys,
    url: datadog.url,
    epochNow: () => now,
    deadlineMs: 5_000,
    clock,
  });
  const source = await createDatadogSource(connection);
  const resolution = resolveRegistry([{ file: 'cujs.yaml', document }], `sha256:${'0'.repeat(64)}`, {
    dialect: datadogDialect,
  });
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
  const { registry } = resolution;
  evaluator = createEvaluator({ registry: () => registry, now: () => now, source });
});
afterAll(async () => {
  await connection.close();
  await datadog.stop();
});

it.each(['by-5xx', 'login-by-more', 'pay-by-less', 'both-by-more'])(
  'is no incident of the service that excuses the canary: %s',
  async (name) => {
    const params = new Map([['version', 'v2']]);
    const { verdict } = await evaluator.cuj({ cuj: name, params }, new AbortController().signal);
    expect([verdict.verdict, verdict.summary]).toEqual(['fail', expect.stringContaining('15 of 480')]);
  },
);
