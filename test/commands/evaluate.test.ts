import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { simulateJourneys } from '../../src/demo/datadog/journeys.ts';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { exampleDocument } from '../generate/example.ts';
import { capture, someTime } from './io.ts';

const minuteMs = 60_000;

describe('evaluate', () => {
  let datadog: Simulator;
  let folder: string;
  let env: Record<string, string>;

  beforeAll(async () => {
    datadog = await startDatadogSimulator({ now: () => someTime, apiKey: 'api', applicationKey: 'app' });
    simulateJourneys({
      store: datadog.store,
      seed: 1,
      start: someTime - 30 * minuteMs,
      canaryStart: someTime - 10 * minuteMs,
    }).advanceTo(someTime);
    // A release whose tracer lost the status: its spans would look perfect whatever happens.
    const login = {
      env: 'production',
      service: 'member-api',
      operation: 'http.request',
      resource: 'GET /api/v1/me',
    };
    for (let minute = 4; minute < 10; minute += 1) {
      const at = someTime - minute * minuteMs;
      datadog.store.recordRequests({ ...login, version: 'v1.43.0', at, count: 1_000, errors: 300 });
    }
    folder = mkdtempSync(path.join(tmpdir(), 'cuj-gate-evaluate-'));
    env = {
      DD_URL: datadog.url,
      DD_API_KEY: 'api',
      DD_APP_KEY: 'app',
      CUJ_GATE_REGISTRY: 'config/cujs.yaml',
    };
  });

  afterAll(async () => {
    await datadog.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function evaluate(...argv: string[]) {
    const streams = capture({ env });
    const code = await run(['evaluate', ...argv], streams.io);
    return { code, stdout: streams.stdout(), stderr: streams.stderr() };
  }

  it('fails the broken CUJ with exit code 1 and shows the endpoint with its numbers', async () => {
    const { code, stdout } = await evaluate('signup', '--param', 'version=v1.42.0');
    expect(stdout).toMatch(/^FAIL signup \(slo_violated\)/);
    expect(stdout).toMatch(/POST \/api\/v1\/signup\/phone\/verify +\d+ +\d+ +[78]\d\.\d+%/);
    expect(code).toBe(1);
  });

  it('passes a good CUJ with exit code 0', async () => {
    const { code, stdout } = await evaluate('login', '--param', 'version=v1.42.0');
    expect(stdout).toMatch(/^PASS login \(within_slo\)/);
    expect(code).toBe(0);
  });

  it('judges by an alias, says so, and records the present name', async () => {
    const text = readFileSync('config/cujs.yaml', 'utf8');
    const registry = path.join(folder, 'renamed.yaml');
    writeFileSync(registry, text.replace('- name: login\n', '- name: sign-in\n    aliases: [login]\n'));
    const file = path.join(folder, 'renamed.json');
    const about = ['--registry', registry, '--param', 'version=v1.42.0'];
    const { code, stdout, stderr } = await evaluate('login', ...about, '--record', file);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^PASS sign-in \(within_slo\)/);
    expect(stderr).toBe(
      '"login" is an alias: the CUJ is called "sign-in" now. Generate the templates again, so that they ask by this name.\n',
    );
    expect(JSON.parse(readFileSync(file, 'utf8')).verdict).toMatchObject({ cuj: 'sign-in' });
    expect((await evaluate('--replay', file)).code).toBe(0);
    expect(JSON.parse((await evaluate('login', ...about, '--json')).stdout)).toMatchObject({
      cuj: 'sign-in',
      askedAs: 'login',
    });
  });

  it('is inconclusive about a retired CUJ, and records nothing', async () => {
    const registry = path.join(folder, 'retired.yaml');
    const text = readFileSync('config/cujs.yaml', 'utf8');
    writeFileSync(
      registry,
      `${text}  - { name: checkout, owner: team-pay, retired: merged into subscribe }\n`,
    );
    const file = path.join(folder, 'retired.json');
    const { code, stdout, stderr } = await evaluate('checkout', '--registry', registry, '--record', file);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^INCONCLUSIVE checkout \(retired\): merged into subscribe/);
    expect(stderr).toContain('was not written');
  });

  it.each([
    ['an unknown CUJ, with the nearest', ['sigup'], 'No CUJ is called "sigup".\nDid you mean "signup"?\n'],
    [
      'a CUJ like no other, with those that there are',
      ['zzzzzzzz'],
      'No CUJ is called "zzzzzzzz".\nThe registry has signup, login, ',
    ],
    ['a service like no other', ['--all-of', 'zzzzzzzz'], 'The registry has member-api, '],
    ['an unknown service', ['--all-of', 'member-ap'], 'Did you mean "member-api"?'],
  ])('names %s, and no route of the HTTP service', async (_, argv, said) => {
    const { code, stderr } = await evaluate(...argv, '--param', 'version=v1.42.0');
    expect(stderr).toContain(said);
    expect(stderr).not.toContain('GET /');
    expect(code).toBe(2);
  });

  it('exits 1 where it cannot know', async () => {
    const { code, stdout } = await evaluate('login', '--param', 'version=v9.9.9');
    expect(stdout).toMatch(/^INCONCLUSIVE login \(no_data\): no request matches the canary version:v9\.9\.9/);
    expect(stdout).toContain('  no requests; the objective is 99.95%\n');
    expect(stdout).toContain('no abort threshold yet, ');
    expect(code).toBe(1);
  });

  it.each([
    ['a CUJ', ['login']],
    ['a service', ['--all-of', 'member-api']],
  ])('names the versions that there are where %s has no request of one', async (_, about) => {
    const { stderr } = await evaluate(...about, '--param', 'version=v9.9.9');
    const [, versions = ''] = /^Versions of member-api in the last day: (.*)\.\n$/.exec(stderr) ?? [];
    expect(versions.split(', ').sort()).toEqual(['v1.41.0', 'v1.42.0', 'v1.43.0']);
    expect((await evaluate(...about, '--param', 'version=v1.42.0')).stderr).toBe('');
  });

  it('exits 1 where it sees requests and not how they ended', async () => {
    const { code, stdout } = await evaluate('login', '--param', 'version=v1.43.0');
    expect(stdout).toMatch(
      /^INCONCLUSIVE login \(status_missing\): 6000 of 6000 requests of the canary on GET \/api\/v1\/me carry no status/,
    );
    // What is not seen is not said to be good.
    expect(stdout).toMatch(/ failures cannot be seen .*: 0 of \d+ known to have failed\n/);
    expect(stdout).toMatch(/ stable: \d+ of \d+ known to have failed\n/);
    expect(stdout).toMatch(/GET \/api\/v1\/me +6000 +0 +\?/);
    const availability = stdout.split('latency:')[0];
    expect(availability).not.toMatch(/100%|were good|consistent with/);
    expect(code).toBe(1);
  });

  it('says on stderr that a CUJ only observes, also without an answer of the backend', async () => {
    const registry = path.join(folder, 'observe.json');
    const { cujs = [], ...rest } = exampleDocument();
    const observed = cujs.map((cuj: object) => ({ ...cuj, mode: 'observe' }));
    writeFileSync(registry, JSON.stringify({ ...rest, cujs: observed }));
    const asked = ['signup', '--param', 'version=v1.42.0', '--registry', registry];
    const { code, stdout, stderr } = await evaluate(...asked);
    expect([code, stdout.split('\n')[0]]).toEqual([
      0,
      expect.stringMatching(/^PASS signup \(observe_only, would be FAIL/),
    ]);
    const note = (what: string) =>
      `Note: signup has mode: observe, so every release passes. With mode: enforce this would be ${what}.\n`;
    expect(stderr).toBe(note('FAIL (slo_violated)'));
    const streams = capture({ env: { ...env, DD_URL: 'http://127.0.0.1:1' } });
    expect(await run(['evaluate', ...asked], streams.io)).toBe(0);
    expect(streams.stderr()).toBe(note('INCONCLUSIVE (source_unavailable)'));
    expect((await evaluate('signup', '--param', 'version=v1.42.0')).stderr).toBe('');
  });

  it('ands all CUJs of a service', async () => {
    const { code, stdout } = await evaluate('--all-of', 'member-api', '--param', 'version=v1.42.0', '--json');
    const answer = JSON.parse(stdout);
    expect(answer).toMatchObject({ verdict: 'fail', service: 'member-api' });
    expect(answer.cujs[0]).toMatchObject({ cuj: 'signup', verdict: 'fail' });
    expect(answer.cujs.slice(1).map((cuj: { verdict: string }) => cuj.verdict)).not.toContain('fail');
    expect(code).toBe(1);
  });

  it('writes a verdict down and judges it again to the same bytes', async () => {
    const file = path.join(folder, 'signup.json');
    const first = await evaluate('signup', '--param', 'version=v1.42.0', '--json', '--record', file);
    const again = await evaluate('--replay', file, '--json');
    expect(again.stdout).toBe(first.stdout);
    expect(again.code).toBe(1);
  });

  it('writes a verdict about a service down and judges it again to the same bytes', async () => {
    const file = path.join(folder, 'member-api.json');
    const question = ['--all-of', 'member-api', '--param', 'version=v1.42.0', '--json'];
    const first = await evaluate(...question, '--record', file);
    const again = await evaluate('--replay', file, '--json');
    expect(again).toEqual({ ...first, stderr: '' });
    expect((await evaluate('--replay', file)).stdout).toMatch(/^FAIL member-api/);
  });

  it('recomputes a moment in the past, and says so', async () => {
    const at = new Date(someTime - 5 * minuteMs).toISOString();
    const question = ['signup', '--param', 'version=v1.42.0', '--at', at];
    const { code, stdout } = await evaluate(...question, '--json');
    const { summary, recomputed, ...more } = JSON.parse(stdout);
    expect(summary).toMatch(new RegExp(`^RECOMPUTED as of ${at}: [A-Z]+ signup`));
    expect(Object.keys(more)).toEqual(['at', 'hint']);
    expect(Date.parse(recomputed.window.to)).toBeLessThanOrEqual(someTime - 5 * minuteMs - 45_000);
    expect(code).toBe(recomputed.verdict === 'pass' ? 0 : 1);
    expect((await evaluate(...question)).stdout).toMatch(
      new RegExp(`^RECOMPUTED as of ${at}\n[A-Z]+ signup`),
    );
  });

  /** Arguments that judge a CUJ whose objective takes more requests than its canary has had in ten minutes. */
  const thinCuj = (passAfter: '6m' | 'never') => {
    const document = exampleDocument();
    const subscribe = document.cujs.find(({ name }: { name: string }) => name === 'subscribe');
    Object.assign(subscribe, { slo: { availability: 99.99 }, gate: { passAfter } });
    const registry = path.join(folder, `${passAfter}.yaml`);
    writeFileSync(registry, JSON.stringify(document));
    return ['subscribe', '--registry', registry, '--param', 'version=v1.42.0', '--json'];
  };

  it('judges a limited pass again to the same bytes', async () => {
    const file = path.join(folder, 'limited.json');
    const first = await evaluate(...thinCuj('6m'), '--record', file);
    expect(JSON.parse(first.stdout)).toMatchObject({ verdict: 'pass', reason: 'limited_evidence' });
    expect((await evaluate('--replay', file, '--json')).stdout).toBe(first.stdout);
  });

  it('gives no limited pass to a record from before there was one', async () => {
    const file = path.join(folder, 'old.json');
    const first = await evaluate(...thinCuj('never'), '--record', file);
    expect(JSON.parse(first.stdout)).toMatchObject({ verdict: 'inconclusive', reason: 'within_noise' });
    const record = JSON.parse(readFileSync(file, 'utf8'));
    expect(record.cuj.gate).not.toHaveProperty('passAfterMs');
    delete record.cuj.gate.rulesOutRate;
    writeFileSync(file, JSON.stringify(record));
    const again = await evaluate('--replay', file, '--json');
    expect(again).toEqual({ ...first, stderr: '' });
  });

  it('shows the verdict also where it cannot be written down', async () => {
    const { code, stdout, stderr } = await evaluate(
      'login',
      '--param',
      'version=v1.42.0',
      '--record',
      path.join(folder, 'no', 'such', 'folder.json'),
    );
    expect(stdout).toMatch(/^PASS login/);
    expect(stderr).toContain('folder.json cannot be written');
    expect(code).toBe(2);
  });

  it('says where a written-down verdict was edited', async () => {
    const file = path.join(folder, 'edited.json');
    await evaluate('login', '--param', 'version=v1.42.0', '--record', file);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"verdict": "pass"', '"verdict": "fail"'));
    const { code, stderr } = await evaluate('--replay', file);
    expect(stderr).toContain('The verdict differs from the one in');
    expect(code).toBe(1);
  });

  it.each([
    ['neither a CUJ nor a service', [], 'Give one CUJ'],
    ['both a CUJ and a service', ['login', '--all-of', 'member-api'], 'Give one CUJ'],
    ['an unknown CUJ', ['logni', '--param', 'version=v1'], 'Did you mean "login"?'],
    ['a missing parameter', ['login'], 'Parameter "version" is missing.\nGive it with --param version=...'],
    ['an empty parameter', ['login', '--param', 'version='], 'version is empty'],
    [
      'a moment in the future',
      ['login', '--param', 'version=v1', '--at', '2099-01-01T00:00:00Z'],
      'is in the future',
    ],
    ['a moment that is none', ['login', '--param', 'version=v1', '--at', 'noon'], 'at "noon" is not a time'],
    [
      'a moment that is too long ago',
      ['login', '--param', 'version=v1', '--at', '2020-01-01T00:00:00Z'],
      'longer ago than Datadog keeps its metrics',
    ],
    [
      'a parameter that no selector takes',
      ['login', '--param', 'version=v1', '--param', 'versoin=v1'],
      'Unknown parameter "versoin"',
    ],
    ['a parameter as an argument', ['login', 'version=v2'], '--param version=v2'],
    ['a version as an argument', ['login', 'v2'], '--param version=v2'],
    ['a parameter as an option', ['login', '--stable_version=v1'], '--param stable_version=v1'],
    // With 0, a script would take it for a pass.
    ['a version as an option', ['login', '--version', 'v2'], '--param version=v2'],
    ['the version of the program', ['login', '--version'], 'cuj-gate --version'],
    ['a parameter without a value', ['login', '--param', 'version'], 'name=value'],
    ['a parameter twice', ['login', '--param', 'version=a', '--param', 'version=b'], 'given twice'],
    [
      'canary equal to stable',
      ['login', '--param', 'version=v1', '--param', 'stable_version=V1'],
      'the same selector',
    ],
    ['a window that is none', ['login', '--param', 'version=v1', '--window', '5'], 'whole minutes'],
    [
      'a replay with a question of its own',
      ['login', '--replay', 'login.json', '--param', 'version=v1', '--all-of', 'x'],
      'remove the CUJ "login", --param, --all-of',
    ],
    ['a record that is missing', ['--replay', 'nowhere.json'], 'nowhere.json cannot be read'],
    ['a record that is none', ['--replay', 'package.json'], 'not a verdict record'],
    ['a registry that is missing', ['login', '--registry', 'nowhere.yaml'], 'nowhere.yaml'],
  ])('is misuse: %s', async (_name, argv, message) => {
    const { code, stdout, stderr } = await evaluate(...argv);
    expect(stderr).toContain(message);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('names the variables that are missing', async () => {
    const streams = capture({ env: { CUJ_GATE_REGISTRY: 'config/cujs.yaml' } });
    expect(await run(['evaluate', 'login', '--param', 'version=v1'], streams.io)).toBe(2);
    expect(streams.stderr()).toContain('DD_API_KEY');
  });

  it('says that the keys are wrong and judges nothing', async () => {
    const streams = capture({ env: { ...env, DD_APP_KEY: 'wrong' } });
    expect(await run(['evaluate', 'login', '--param', 'version=v1'], streams.io)).toBe(1);
    expect(streams.stdout()).toMatch(/^INCONCLUSIVE login \(source_rejected\)/);
    expect(streams.stdout()).not.toContain('wrong');
  });
});
