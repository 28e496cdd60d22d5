import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { openDemo } from '../../src/commands/support/demo-datadog.ts';
import { EventStore } from '../../src/demo/datadog/store.ts';
import { brokenBy, planTraffic, simulateRegistry } from '../../src/demo/own-registry.ts';
import type { Registry } from '../../src/domain/registry/model.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { capture } from '../commands/io.ts';
import { scratchFile } from '../registry-files/scratch.ts';

const root = path.join(import.meta.dirname, '../..');
const example = path.join(root, 'config/cujs.yaml');
const odd = path.join(import.meta.dirname, 'odd-registry.yaml');

async function registryOf(file: string): Promise<Registry> {
  const loaded = await loadRegistry(file);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.registry;
}

/** The demo over real HTTP, and the first words of each verdict by CUJ. */
async function demo(file: string, ...more: string[]) {
  const streams = capture();
  const code = await run(['demo', '--registry', file, '--once', ...more], streams.io);
  const lines = streams
    .stdout()
    .split('\n')
    .filter((line) => /^(PASS|FAIL|INCONCLUSIVE|ERROR) /.test(line));
  const verdicts = Object.fromEntries(
    lines.map((line) => {
      const [outcome, cuj, reason] = line.split(' ') as [string, string, string];
      return [cuj, `${outcome} ${reason.replace(/[:,]$/, '')}`];
    }),
  );
  return { code, verdicts, text: streams.stdout(), stderr: streams.stderr() };
}

describe('demo --registry', () => {
  it('fails the first CUJ by its last endpoint and passes every other', async () => {
    const { code, verdicts, text, stderr } = await demo(example);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { signup, ...others } = verdicts;
    expect(signup).toBe('FAIL (slo_violated)');
    expect(text).toMatch(/^FAIL signup .* worst POST \/api\/v1\/signup\/phone\/verify \d+ of \d+/m);
    expect(Object.keys(others)).toHaveLength(9);
    expect(new Set(Object.values(others))).toEqual(new Set(['PASS (within_slo)']));
  });

  it('breaks the client side alone, where every server answers 200', async () => {
    const file = path.join(root, 'test/testdata/client-registry.yaml');
    const { code, verdicts, text } = await demo(file, '--break', 'view /signup');
    expect(code).toBe(0);
    expect(verdicts).toEqual({ signup: 'FAIL (slo_violated)', browse: 'FAIL (slo_violated)' });
    expect(text).toMatch(/^FAIL signup .* client events failed by .* worst view \/signup \d+ of \d+/m);
    expect(text).toContain('On the canary, view /signup of shop-web fails for one event in five.');
    // Without a name, a server breaks as ever, and the other CUJ passes on both sides.
    const servers = await demo(file);
    expect(servers.verdicts).toEqual({ signup: 'FAIL (slo_violated)', browse: 'PASS (within_slo)' });
    expect(servers.text).toMatch(/^FAIL signup .* requests failed /m);
    expect(servers.text).toContain(
      "POST /api/v1/signup of member-api fails for one request in five. Its CUJs: signup.\nTo break the client side instead: --break 'view /signup'\n",
    );
  });

  const healthy = {
    watched: 'PASS (within_slo)',
    mesh: 'INCONCLUSIVE (no_data)',
    browse: 'PASS (within_slo)',
    pay: 'PASS (within_slo)',
    fast: 'PASS (within_slo)',
    whole: 'PASS (within_slo)',
    talk: 'PASS (not_worse_than_stable)',
    across: 'PASS (within_slo)',
  };

  it.each([
    ['the first enforced CUJ with traffic', undefined, { browse: 'FAIL (slo_violated)' }, 'GET /items '],
    ['nothing', 'none', {}, undefined],
    ['an endpoint as written', 'GET /items/{id}', { browse: 'FAIL (slo_violated)' }, 'GET /items/{id} '],
    ['a resource', 'chat.say/send', { talk: 'FAIL (worse_than_stable)' }, 'chat.say/send '],
    ['a CUJ under strict', 'fast', { fast: 'FAIL (slo_violated)' }, undefined],
    ['a CUJ that is a whole service', 'whole', { whole: 'FAIL (slo_violated)' }, undefined],
    ['a CUJ of several services', 'across', { across: 'FAIL (slo_violated)' }, 'GET /c '],
    ['a CUJ that only observes', 'watched', { watched: 'PASS (observe_only' }, undefined],
  ])('breaks %s in a registry of odd cases, and nothing else', async (_, choice, broken, worst) => {
    const { code, verdicts, text } = await demo(odd, ...(choice === undefined ? [] : ['--break', choice]));
    expect(code).toBe(0);
    expect(verdicts).toEqual({ ...healthy, ...broken });
    if (worst !== undefined) expect(text).toContain(`worst ${worst}`);
    expect(text).toMatch(/Not simulated: gateway, whose source "istio" is a template/);
  });

  it('says what --break may name where it names nothing', async () => {
    for (const choice of ['GET /nowhere', 'mesh']) {
      const { code, stderr, text } = await demo(odd, '--break', choice);
      expect({ code, text }).toEqual({ code: 2, text: '' });
      expect(stderr).toContain(`--break ${choice}: there is no such CUJ with traffic, and no such endpoint`);
      expect(stderr).toContain('watched, browse, pay, fast, whole, talk, across');
    }
    const file = path.join(root, 'test/testdata/client-registry.yaml');
    for (const [choice, near] of [
      ['/signup/?', "'view /signup/?'"],
      ['brows', 'browse'],
      ['Submit sign-up', "'action Submit sign-up'"],
      ['nonsense', undefined],
    ] as const) {
      const { stderr } = await demo(file, '--break', choice);
      expect(stderr).toBe(
        `cuj-gate demo: --break ${choice}: there is no such CUJ with traffic, and no such endpoint.${near === undefined ? '' : ` Did you mean ${near}?`}\n` +
          'Give none, or one of these:\n' +
          '  a CUJ, whose last endpoint breaks: signup, browse\n' +
          "  an endpoint: 'POST /api/v1/signup', 'GET /signup', 'GET /'\n" +
          "  a view or action of a client: 'view /signup', 'view /signup/?', 'action Submit sign-up', 'view /'\n",
      );
    }
    const many = scratchFile(`apiVersion: cuj-gate/v1
services: { api: { env: production, operation: http.request, canary: "version:{version}" } }
cujs: [{ name: buy, owner: a, service: api, slo: { availability: 99 }, endpoints: [${Array.from({ length: 30 }, (_, i) => `GET /${i}`).join()}] }]
`);
    expect((await demo(many, '--break', 'x')).stderr).toContain("'GET /9' and 20 more\n");
    const streams = capture();
    expect(await run(['demo', '--break', 'signup'], streams.io)).toBe(2);
    expect(streams.stderr()).toContain('--break requires --registry');
  });

  it('has no more than Datadog would have of a registry with likely mistakes, and says what they are', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'cuj-gate-'));
    const file = path.join(folder, 'mistaken.yaml');
    await writeFile(
      file,
      `apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.9 } }
services:
  grpc: { env: production, operation: grpc.server, canary: "version:{version}" }
  misspelt: { env: production, operation: htp.request, canary: "version:{version}" }
  hashed: { env: production, operation: http.request, canary: "rollouts-pod-template-hash:{hash}" }
  web: { env: production, operation: express.request, canary: "version:{version}" }
  good: { env: production, operation: http.request, canary: "version:{version}" }
cujs:
  - { name: good, owner: a, service: good, endpoints: [GET /good] }
  - { name: talk, owner: a, service: grpc, endpoints: [{ resource: chat.say/send }] }
  - { name: buy, owner: a, service: misspelt, endpoints: [POST /buy] }
  - { name: find, owner: a, service: hashed, endpoints: [GET /find] }
  - { name: item, owner: a, service: web, endpoints: ["GET /items/{id}"] }
`,
    );
    const { code, verdicts, text } = await demo(file, '--break', 'none');
    expect({ code, verdicts }).toEqual({
      code: 0,
      verdicts: {
        good: 'PASS (within_slo)',
        talk: 'INCONCLUSIVE (status_missing)',
        buy: 'INCONCLUSIVE (no_data)',
        find: 'INCONCLUSIVE (no_data)',
        item: 'INCONCLUSIVE (no_data)',
      },
    });
    expect(text.replaceAll(file, 'cujs.yaml').match(/^Most likely mistakes|^ {2}cujs\.yaml:.*/gm)).toEqual([
      'Most likely mistakes',
      expect.stringMatching(/:4: .*gRPC/),
      expect.stringMatching(/:5: .*Did you mean http\.request\?/),
      expect.stringMatching(/:6: .*podLabelsAsTags/),
      expect.stringMatching(/:14: .*\{id\}.*express\.request/),
    ]);

    const world = await openDemo(capture().io, { registry: file });
    const examined = capture({ env: world?.env ?? {}, now: world?.now ?? Date.now });
    expect(await run(['doctor', '--json'], examined.io)).toBe(1);
    await world?.stop();
    await rm(folder, { recursive: true });
    const { findings } = JSON.parse(examined.stdout()) as {
      findings: { severity: string; about: string; check: string }[];
    };
    expect(
      findings
        .flatMap(({ severity, about, check }) => (severity === 'error' ? [`${about} ${check}`] : []))
        .sort(),
    ).toEqual([
      'cuj item cuj-without-hits',
      'cuj item: GET /items/{id} endpoint-name',
      'service grpc status-code-missing',
      'service hashed selector-tag-missing',
      'service misspelt operation-without-hits',
    ]);
    expect(findings.map(({ check }) => check)).toContain('simulated');
  });

  it('says so where nothing can be simulated', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'cuj-gate-'));
    const file = path.join(folder, 'mesh.yaml');
    const text = await readFile(odd, 'utf8');
    await writeFile(file, text.replace(/^ {2}- \{ name: (?!mesh).*\n/gm, ''));
    const { code, verdicts, text: said } = await demo(file);
    await rm(folder, { recursive: true });
    expect({ code, verdicts }).toEqual({ code: 0, verdicts: { mesh: 'INCONCLUSIVE (no_data)' } });
    expect(said).toMatch(/^No CUJ in .* can be simulated: none uses trace metrics\.\nNot simulated: gateway/);
  });

  it('says of a busy port how to choose another, and blames no registry that is valid', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => void taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const file = scratchFile(`apiVersion: cuj-gate/v1
services: { api: { env: production, operation: http.request, canary: "version:{version}" } }
cujs: [{ name: buy, owner: a, service: api, slo: { availability: 99 }, endpoints: [GET /buy] }]
`);
    const streams = capture();
    const code = await run(['demo', '--registry', file, '--port', String(port)], streams.io);
    await new Promise((resolve) => void taken.close(resolve));
    const other = port === 65_535 ? 65_534 : port + 1;
    expect({ code, stderr: streams.stderr() }).toEqual({
      code: 2,
      stderr:
        `cuj-gate demo: 127.0.0.1:${port} is in use by another process. ` +
        `Choose another with --port, such as --port ${other}; --port 0 takes any free one.\n`,
    });
  });

  it('says that a registry is one for Prometheus where it is none for Datadog', async () => {
    const file = scratchFile(`apiVersion: cuj-gate/v1
sources: { mesh: { total: "preset:istio", bad: "preset:istio" } }
services: { api: { env: production, source: mesh, canary: "version:{version}" } }
cujs: [{ name: buy, owner: a, service: api, slo: { availability: 99 }, endpoints: "*" }]
`);
    const { code, stderr } = await demo(file);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /is invalid:[\s\S]*\ncuj-gate demo: the registry is one for Prometheus: add --prometheus\.\n$/,
    );
  });

  it('refuses a bad registry with the problems that serve lists', async () => {
    const file = path.join(root, 'package.json');
    const { code, stderr } = await demo(file);
    const served = capture({ env: { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40) } });
    expect(await run(['serve', '--registry', file], served.io)).toBe(code);
    expect(code).toBe(2);
    expect(stderr.replace('cuj-gate demo: ', '')).toBe(served.stderr().replace('cuj-gate serve: ', ''));
  });

  it('stays up, answers the other commands as it says, and ends well on Ctrl-C', async () => {
    const argv = ['--import', 'tsx', 'src/bin.ts', 'demo', '--registry', odd, '--port', '0'];
    const child = spawn(process.execPath, argv, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    try {
      const said: string[] = [];
      for await (const line of createInterface(child.stdout)) {
        said.push(line.trim());
        if (line.trim() === 'cuj-gate doctor') break;
      }
      const exports = said.flatMap((line) => (line.startsWith('export ') ? line.slice(7).split(' ') : []));
      const env = Object.fromEntries(exports.map((pair) => pair.split(/=(.*)/s) as [string, string]));
      const asked = said.find((line) => line.startsWith('cuj-gate evaluate')) as string;
      const evaluated = capture({ env, now: Date.now });
      expect(await run(asked.split(' ').slice(1), evaluated.io)).toBe(1);
      expect(evaluated.stdout()).toContain('FAIL browse (slo_violated)');

      expect(said).toContain('cuj-gate report');
      const reported = capture({ env, now: Date.now });
      expect(await run(['report', '--json'], reported.io)).toBe(0);
      const { cujs } = JSON.parse(reported.stdout()) as { cujs: { cuj: string; state: string }[] };
      expect(cujs.filter(({ state }) => state === 'unknown').map(({ cuj }) => cuj)).toEqual(['mesh']);

      const examined = capture({ env, now: Date.now });
      await run(['doctor', '--json'], examined.io);
      const { findings } = JSON.parse(examined.stdout()) as {
        findings: { severity: string; about: string; check: string }[];
      };
      const errors = findings.filter(({ severity }) => severity === 'error');
      expect(new Set(errors.map(({ about }) => about))).toEqual(new Set(['service gateway']));
      expect(findings.filter(({ check }) => check === 'simulated')).toHaveLength(1);

      expect(said.find((line) => line.startsWith('Watch it at '))).toMatch(
        /^Watch it at http:\/\/127\.0\.0\.1:\d+\/$/,
      );
      const curls = said.flatMap((line) => /^curl '([^']+)'/.exec(line)?.[1] ?? []);
      expect(curls).toHaveLength(5);
      for (const url of curls) expect((await fetch(url)).status).toBe(200);
    } finally {
      child.kill('SIGINT');
    }
    expect(await ended).toEqual([0, null]);
  });
});

describe('planTraffic', () => {
  let registry: Registry;
  beforeAll(async () => {
    registry = await registryOf(odd);
  });

  it('finds an example for each placeholder, and never the same for two', () => {
    const { params } = planTraffic(registry);
    expect(Object.fromEntries(params)).toEqual({
      version: 'v2',
      hash: 'hash-2',
      canary_service: 'service-2',
      zone: 'zone-2',
      stable_version: 'v1',
      stable_hash: 'hash-1',
    });
  });

  it('gives routes to a service that is judged as a whole, and every endpoint to all CUJs that it counts for', () => {
    const { endpoints } = planTraffic(registry);
    const ofZone = endpoints.filter(({ service }) => service === 'by-zone');
    expect(ofZone.map(({ label, cujs }) => [label, cujs.map(({ name }) => name)])).toEqual([
      ['GET /rooms', ['whole', 'talk']],
      ['GET /demo/home', ['whole']],
      ['GET /demo/items', ['whole']],
      ['POST /demo/items', ['whole']],
    ]);
  });

  it('tells the sides apart by the tags of the selectors, and only by values that exist for that side', () => {
    const nowMs = Date.UTC(2026, 5, 1, 12);
    const store = new EventStore({ now: () => nowMs });
    const traffic = planTraffic(registry);
    simulateRegistry({
      store,
      seed: 1,
      registry,
      traffic,
      broken: brokenBy('none', registry, traffic) ?? [],
      nowMs,
    }).advanceTo(nowMs);
    const shown = ['env', 'service', 'version', 'role', 'hash', 'zone'];
    const seen = ['http.request', 'express.request', 'rpc.handle'].flatMap((operation) =>
      (store.metric(`trace.${operation}.hits`)?.series ?? []).map(({ tags }) =>
        shown.flatMap((key) => tags.get(key) ?? []).join(' '),
      ),
    );
    expect([...new Set(seen)].sort()).toEqual([
      'production by-both v1 stable',
      'production by-both v2 canary',
      'production by-name v1',
      'production by-role v1 stable',
      'production by-role v2 canary',
      'production by-zone v1 zone-2',
      'production by-zone v2 zone-2',
      'production service-2 v2',
      'staging by-hash v1 h-hash-1',
      'staging by-hash v2 h-hash-2',
    ]);
  });
});
