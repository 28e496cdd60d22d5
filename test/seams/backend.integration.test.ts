import { pino } from 'pino';
import { describe, expect, test, vi } from 'vitest';
import { run } from '../../src/cli.ts';
import { judgeAgain, parseRecord, recordOf } from '../../src/domain/judge/verdict-record.ts';
import type { Registry } from '../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { createEvaluator } from '../../src/evaluation/evaluator.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { compose, openEvaluator } from '../../src/server/compose.ts';
import { readSettings, requiredToServe, settingsHelp } from '../../src/settings/settings.ts';
import type { BackendName } from '../../src/sources/dialects/dialects.ts';
import { capture } from '../commands/io.ts';
import { bench, digest, nowMs } from '../http/fixture.ts';
import { scratchFile } from '../registry-files/scratch.ts';
import { describeTallyQueries, type Stored, tallyDialect, tallySource } from './tally-backend.ts';

const told = vi.hoisted(() => ({ badPerMinute: 0 }));
/** What is not the product's: the list, changed as somebody who adds a backend changes it. Nothing else knows of this one. */
vi.mock('../../src/sources/dialects/backends.ts', async (original) => {
  const { backends } = await original<typeof import('../../src/sources/dialects/backends.ts')>();
  const { tallyBackend } = await import('./tally-backend.ts');
  return { backends: { ...backends, tally: tallyBackend(() => storedWith(told.badPerMinute)) } };
});

const document: RegistryDocument = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.9 }, gate: { maxWindow: '30m' } },
  sources: { shop: { total: 'ShopRequests', bad: 'ShopFailures', groupBy: 'route' } },
  services: {
    orders: {
      env: 'production',
      source: 'shop',
      canary: 'Release:{version}',
      stable: 'Release:{stable_version}',
    },
    carts: { env: 'production', source: 'shop', canary: 'Release:{version}' },
  },
  cujs: [
    {
      name: 'order',
      owner: 'team-orders',
      service: 'orders',
      endpoints: ['POST /Orders/{id}', 'GET /Orders/{id}/Items'],
    },
    { name: 'cart', owner: 'team-carts', service: 'carts', endpoints: ['PUT /Carts/{Cart}'] },
  ],
};

function registryOf(): Registry {
  const inputs = [{ file: 'cujs.yaml', document }];
  const resolution = resolveRegistry(inputs, digest, { dialect: tallyDialect });
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
  return resolution.registry;
}

const routes = { orders: ['POST /Orders/{id}', 'GET /Orders/{id}/Items'], carts: ['PUT /Carts/{Cart}'] };

/** Both versions of both services, with so many failures of the canary a minute on the first route of `orders`. */
function storedWith(badPerMinute: number): Stored[] {
  return Object.entries(routes).flatMap(([service, ofService]) =>
    ofService.flatMap((route) =>
      ['V1.41.0', 'V1.42.0-RC1'].map((Release) => ({
        service,
        route,
        tags: { Release },
        perMinute: 200,
        badPerMinute: Release === 'V1.42.0-RC1' && route === 'POST /Orders/{id}' ? badPerMinute : 0,
      })),
    ),
  );
}

async function gate(badPerMinute: number, clockSkewMs = 0) {
  const registry = registryOf();
  const source = tallySource(() => storedWith(badPerMinute), clockSkewMs);
  const evaluator = createEvaluator({ registry: () => registry, source, now: () => nowMs });
  const state = { registry, files: [], loadedAtMs: nowMs, reloadErrors: 0, failure: undefined };
  const { app } = await bench({ evaluator, describeQueries: describeTallyQueries, registry: () => state });
  const ask = async (url: string) => (await app.inject({ url })).json();
  return { evaluator, ask };
}

async function cujGate(backend: string, ...argv: string[]) {
  const { io, stdout, stderr } = capture({ env: { CUJ_GATE_BACKEND: backend, TALLY_URL: 'http://tally' } });
  const code = await run(argv, io);
  return { code, text: stdout() + stderr() };
}

const rollout = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: { name: orders }
spec:
  strategy: { canary: { steps: [{ setWeight: 10 }] } }
`;

const versions = 'version=V1.42.0-RC1&stable_version=V1.41.0';

describe('a backend that stores values and routes as they are', () => {
  test('passes a healthy canary, measured by its own keys', async () => {
    const { ask } = await gate(0);
    const verdict = await ask(`/cujs/order/status?${versions}&explain=true`);
    expect(verdict).toMatchObject({
      verdict: 'pass',
      reason: 'within_slo',
      canary: 'Release:V1.42.0-RC1',
      stable: 'Release:V1.41.0',
      traffic: { canary: 12_000, stable: 12_000, unmatchedRecently: 0 },
    });
    expect(verdict.slis[0].endpoints.map(({ resource }: { resource: string }) => resource)).toEqual(
      expect.arrayContaining(routes.orders),
    );
    expect(verdict.queries).toEqual([
      { name: 'canary', query: 'ShopRequests WHERE Release=V1.42.0-RC1 BY Service, Route' },
      { name: 'stable', query: 'ShopRequests WHERE Release=V1.41.0 BY Service, Route' },
    ]);
  });

  test('passes with stable as the rest', async () => {
    const { ask } = await gate(0);
    expect(await ask('/cujs/cart/status?version=V1.42.0-RC1')).toMatchObject({
      verdict: 'pass',
      stable: 'the rest',
      traffic: { canary: 6_000, stable: 6_000 },
    });
  });

  test('fails a broken endpoint by the name that people gave it', async () => {
    const { ask } = await gate(20);
    const verdict = await ask(`/cujs/order/status?${versions}`);
    expect(verdict).toMatchObject({ verdict: 'fail', reason: 'slo_violated' });
    expect(verdict.summary).toContain('worst POST /Orders/{id} 600 of 6000');
    expect(await ask('/services/carts/status?version=V1.42.0-RC1')).toMatchObject({ verdict: 'pass' });
  });

  test('has no data for the same version in lower case, and says where to look', async () => {
    const { ask } = await gate(0);
    const verdict = await ask('/cujs/order/status?version=v1.42.0-rc1&stable_version=V1.41.0');
    expect(verdict).toMatchObject({
      verdict: 'inconclusive',
      reason: 'no_data',
      noDataCause: 'unknown_tag',
      canary: 'Release:v1.42.0-rc1',
      hint: "Compare the tags of the service's requests in Tally with Release:v1.42.0-rc1 and Release:V1.41.0. If the template passes a label of the Rollout itself, the pods must report the same (the label Release): cuj-gate lint rollout compares them.",
    });
  });

  test('is named where a value cannot be asked for, and where a clock is wrong', async () => {
    const { ask } = await gate(0, 120_000);
    expect(await ask('/cujs/order/status?version=V1%3A2&stable_version=V1.41.0')).toMatchObject({
      code: 'invalid_request',
      hint: 'It must be the tag value that Tally stores.',
    });
    const same = await ask('/cujs/order/status?version=V1.41.0&stable_version=V1.41.0');
    expect(same.hint).toContain('let the label Release be the pod template hash');
    const verdict = await ask(`/cujs/order/status?${versions}`);
    expect(verdict.reason).toBe('clock_skew');
    expect(verdict.summary).toContain("120 s ahead of Tally's");
    expect(verdict.hint).toContain('If TALLY_URL is a proxy');
  });

  test('shows its queries with the placeholders of the registry', async () => {
    const { ask } = await gate(0);
    expect(JSON.stringify(await ask('/cujs/order'))).toContain(
      'ShopRequests WHERE Release={version} BY Service, Route',
    );
  });

  test('is named where it does not answer in time', async () => {
    const registry = registryOf();
    const source = { measure: () => new Promise<never>(() => undefined) };
    const evaluator = createEvaluator({ registry: () => registry, source, now: () => nowMs });
    const state = { registry, files: [], loadedAtMs: nowMs, reloadErrors: 0, failure: undefined };
    const { app, world } = await bench({ evaluator, registry: () => state });
    const answer = app.inject({ url: `/cujs/order/status?${versions}` }).then((one) => one.json());
    await vi.waitFor(() => expect(world.timers).not.toEqual([]));
    // First the source is told to stop, then the answer goes without it.
    while (world.timers.length > 0) world.timers.shift()?.fire();
    expect(await answer).toMatchObject({
      reason: 'source_timeout',
      summary: 'INCONCLUSIVE order (source_timeout): Tally did not answer within 8s',
      hint: "Wait for the next measurement. If this lasts, check Tally's status page and the network to it.",
    });
  });

  test('is in the record of a verdict, so that a replay gives the same bytes', async () => {
    const { evaluator } = await gate(0);
    const params = new Map([
      ['version', 'v1.42.0-rc1'],
      ['stable_version', 'V1.41.0'],
    ]);
    const evaluation = await evaluator.cuj({ cuj: 'order', params }, AbortSignal.timeout(5_000));
    const record = parseRecord(JSON.stringify(recordOf(evaluation)));
    expect(record.verdict.hint).toContain('Tally');
    expect(judgeAgain(record)).toMatchObject({ same: true });
  });

  test('reads a registry from a file by the name of its dialect', async () => {
    const backend = 'tally' as BackendName;
    const loaded = await loadRegistry(scratchFile(JSON.stringify(document), 'cujs.json'), { backend });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    expect(loaded.registry.cujs.get('order')?.endpoints.map(({ resource }) => resource)).toEqual(
      routes.orders,
    );

    const wrong = JSON.stringify({
      ...document,
      sources: { shop: { total: 'sum:shop', bad: 'ShopFailures' } },
    });
    expect(await loadRegistry(scratchFile(wrong, 'cujs.json'), { backend })).toMatchObject({
      ok: false,
      problems: expect.arrayContaining([
        expect.objectContaining({ path: 'sources.shop.total', message: '"sum:shop" is no counter of Tally' }),
      ]),
    });
  });
});

describe('a process that measures with it', () => {
  const wrongCounter = { ...document, sources: { shop: { total: 'sum:shop', bad: 'ShopFailures' } } };
  const file = (content: object) => scratchFile(JSON.stringify(content), 'cujs.json');
  const env = (content: object = document) => ({
    CUJ_GATE_BACKEND: 'tally',
    CUJ_GATE_REGISTRY: file(content),
    TALLY_URL: 'http://tally',
    // Of another backend, so it is not read.
    DD_SITE: 'nowhere',
  });
  const composed = (more: Record<string, string> = {}) =>
    compose(readSettings({ ...env(), ...more }, { required: requiredToServe }), {
      now: () => nowMs,
      logger: pino({ level: 'silent' }),
    });

  test('serves verdicts and shows queries, without a key of another backend', async () => {
    told.badPerMinute = 20;
    const gate = await composed();
    const ask = async (url: string) => (await gate.app.inject({ url })).json();
    expect(await ask(`/cujs/order/status?${versions}`)).toMatchObject({
      verdict: 'fail',
      reason: 'slo_violated',
    });
    expect(JSON.stringify(await ask('/cujs/order'))).toContain('ShopRequests WHERE Release={version}');
    await gate.close();
  });

  test('keeps the rule of the registry where the backend has no error budgets, and says so', async () => {
    told.badPerMinute = 0;
    const policy = [{ below: '50%', action: 'Reliability work first', gate: 'strict' as const }];
    const [order] = document.cujs ?? [];
    const content = { ...document, cujs: [{ ...order, errorBudgetPolicy: policy }] };
    const gate = await composed({ CUJ_GATE_REGISTRY: file(content) });
    const verdict = (await gate.app.inject({ url: `/cujs/order/status?${versions}` })).json();
    expect(verdict).toMatchObject({ verdict: 'pass', rule: 'confidence', budgetNote: expect.any(String) });
    await gate.close();
  });

  test('is refused a shared cache without a secret', async () => {
    await expect(composed({ CUJ_GATE_REDIS_URL: 'redis://127.0.0.1:1' })).rejects.toThrow(
      'the secret of the shared cache is empty',
    );
  });

  test('has settings of its own, which are read, required, hidden and shown as all others are', () => {
    const read = (more: Record<string, string>) =>
      readSettings({ ...env(), ...more }, { required: requiredToServe });
    expect(read({ TALLY_TOKEN: 'token-of-tally' })).toMatchObject({
      own: { tally: { url: 'http://tally', token: 'token-of-tally' } },
      secrets: ['token-of-tally'],
    });
    expect(() => read({ TALLY_URL: '' })).toThrow('TALLY_URL is not set: Base URL of Tally.');
    expect(() => read({ TALLY_TOKEN: 'two words' })).toThrow('TALLY_TOKEN is not a key');
    const { unusable } = readSettings({ DD_API_KEY: 'a', DD_APP_KEY: 'b' });
    expect(unusable).toMatchObject({ tally: [expect.stringContaining('TALLY_URL is not set')] });
    expect(settingsHelp()).toContain('TALLY_TOKEN');
  });

  test('is what evaluate measures with', async () => {
    told.badPerMinute = 20;
    const opened = await openEvaluator(env(), undefined, () => nowMs);
    if ('problem' in opened) throw new Error(opened.problem);
    const params = new Map([
      ['version', 'V1.42.0-RC1'],
      ['stable_version', 'V1.41.0'],
    ]);
    const { verdict } = await opened.evaluator.cuj({ cuj: 'order', params }, AbortSignal.timeout(5_000));
    expect(verdict).toMatchObject({ verdict: 'fail', canary: 'Release:V1.42.0-RC1' });
    await opened.close();
  });

  test.each(['validate', 'generate', 'lint'] as const)('is what %s reads a registry for', async (command) => {
    const ask = (content: object, backend = 'tally') => {
      const args = {
        validate: ['validate', file(content)],
        generate: ['generate', 'analysis-templates', '--registry', file(content)],
        lint: ['lint', 'rollout', scratchFile(rollout, 'rollout.yaml'), '--registry', file(content)],
      };
      return cujGate(backend, ...args[command]);
    };
    expect((await ask(wrongCounter)).text).toContain('no counter of Tally');
    expect((await ask(document)).text).not.toContain('counter');
    const unknown = await ask(document, 'tallly');
    expect(unknown.code).toBe(2);
    expect(unknown.text).toMatch(/CUJ_GATE_BACKEND=tallly is not one of datadog, (.*, )?tally\./);
  });

  test.each([
    ['terraform', 'terraform works with Datadog only, and this registry is for Tally.'],
    ['openslo', 'openslo works with Datadog and Prometheus, and cart is measured by Tally.'],
    ['prometheus-slos', 'prometheus-slos makes rules of CUJs that Prometheus measures'],
  ])('is refused by generate %s, which has no queries of it', async (what, message) => {
    const { code, text } = await cujGate('tally', 'generate', what, '--registry', file(document));
    expect(code).toBe(2);
    expect(text).toContain(`cuj-gate generate: ${message}`);
  });

  test('gets from generate all what does not depend on the backend', async () => {
    const { code, text } = await cujGate('tally', 'generate', 'all', '--registry', file(document));
    expect(code).toBe(0);
    expect(text).toContain('# prometheus/cuj-gate.rules.yaml');
    expect(text).not.toMatch(/^# (terraform|gate-terraform|openslo)\/|^# prometheus\/cujs/m);
  });

  test('is refused by a command that no session of it is there for', async () => {
    const { code, text } = await cujGate('tally', 'doctor', '--registry', file(document));
    expect(code).toBe(2);
    expect(text).toMatch(
      /^cuj-gate: this command works with datadog and prometheus( and .*)? only, and CUJ_GATE_BACKEND is tally\.\n$/,
    );
  });
});
