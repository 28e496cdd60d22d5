import { mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { generateCommand } from '../../src/commands/generate.ts';
import { githubAction } from '../../src/commands/github-action.ts';
import { startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { markerOf } from '../../src/pull-request/comment.ts';
import { plantMonth } from '../backtest/planted.ts';
import { capture, someTime } from '../commands/io.ts';
import { limitedPass, shopDocument } from '../doctor/clinic.ts';
import { type GithubApi, startGithubApi } from './github-api.ts';
import { type Files, type Repository, repository, writeFiles } from './repository.ts';

const token = 'ghs_0123456789abcdefghij';
let api: GithubApi;
beforeEach(async () => {
  api = await startGithubApi(token);
});
afterEach(() => api.stop());

const registry = (availability: number, ...names: string[]) => `apiVersion: cuj-gate/v1
services:
  shop: { env: prod, operation: http.request, canary: "version:{version}" }
cujs:
${names.map((name) => `  - { name: ${name}, owner: team, service: shop, slo: { availability: ${availability} }, endpoints: [GET /${name.split(' ')[0]?.replace(',', '')}] }\n`).join('')}`;

/** What the generator writes for a registry, as files of the repository. */
async function generated(text: string): Promise<Files> {
  const folder = mkdtempSync(path.join(tmpdir(), 'cuj-gate-generated-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFiles(folder, { 'cujs.yaml': text });
  const { io } = capture();
  const args = [
    'analysis-templates',
    '--registry',
    path.join(folder, 'cujs.yaml'),
    '--out',
    path.join(folder, 'out'),
  ];
  expect(await generateCommand(args, io)).toBe(0);
  const names = JSON.parse(readFileSync(path.join(folder, 'out/.cuj-gate-manifest'), 'utf8')).files;
  return Object.fromEntries(
    ['.cuj-gate-manifest', ...Object.keys(names)].map((name) => [
      `deploy/cuj-gate/${name}`,
      readFileSync(path.join(folder, 'out', name), 'utf8'),
    ]),
  );
}

interface Run {
  readonly event?: string;
  readonly payload?: string;
  readonly workspace?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly with?: Readonly<Record<string, string>>;
}

async function runAction(
  repo: Repository,
  {
    event = 'pull_request',
    payload = 'pull_request.opened',
    workspace = repo.checkout(),
    env = {},
    with: inputs = {},
  }: Run = {},
) {
  const temp = realpathSync(mkdtempSync(path.join(tmpdir(), 'cuj-gate-runner-')));
  onTestFinished(() => rmSync(temp, { recursive: true, force: true }));
  writeFiles(temp, { summary: '', output: '' });
  const sleeps: number[] = [];
  const { io, stdout, stderr } = capture({
    now: () => someTime,
    sleep: async (ms) => void sleeps.push(ms),
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      GITHUB_WORKSPACE: workspace,
      GITHUB_EVENT_NAME: event,
      GITHUB_EVENT_PATH: repo.payload(payload),
      GITHUB_REPOSITORY: 'example/shop',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_API_URL: api.url,
      GITHUB_RUN_ID: '12',
      GITHUB_STEP_SUMMARY: path.join(temp, 'summary'),
      GITHUB_OUTPUT: path.join(temp, 'output'),
      RUNNER_TEMP: temp,
      INPUT_TOKEN: token,
      ...Object.fromEntries(
        Object.entries({ registry: 'cujs.yaml', ...inputs }).map(([name, value]) => [
          `INPUT_${name.toUpperCase()}`,
          value,
        ]),
      ),
      ...env,
    },
  });
  const before = process.cwd();
  process.chdir(workspace);
  try {
    const code = await githubAction(io);
    return {
      code,
      stdout: stdout(),
      stderr: stderr(),
      summary: readFileSync(path.join(temp, 'summary'), 'utf8'),
      output: readFileSync(path.join(temp, 'output'), 'utf8'),
      sleeps,
    };
  } finally {
    process.chdir(before);
  }
}

const annotations = (stdout: string) =>
  stdout.split('\n').filter((line) => /^::(?:error|warning|notice) /.test(line));
const writes = () => api.requests.filter((line) => !line.startsWith('GET'));

describe('a pull request of the same repository', () => {
  it('gets one comment, which says what changes and is kept up to date', async () => {
    const old = registry(99.95, 'login', 'signup');
    const renamed = registry(99.9, 'login', 'join');
    const first = repository({ 'cujs.yaml': old, ...(await generated(old)) }, { 'cujs.yaml': renamed });
    const inputs = { generate: 'analysis-templates --out deploy/cuj-gate' };
    const opened = await runAction(first, { with: inputs });
    expect(opened.code).toBe(1);
    expect(annotations(opened.stdout)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /^::error file=cujs\.yaml,title=cuj-gate%3A cuj-removed::the CUJ "signup" is not in/,
        ),
        expect.stringMatching(
          /^::error file=deploy\/cuj-gate\/analysis-templates\/cuj-login\.yaml,line=\d+,title=cuj-gate%3A out-of-date::/,
        ),
        expect.stringMatching(
          /^::notice file=cujs\.yaml,line=5,col=\d+,title=cuj-gate%3A judged-otherwise::/,
        ),
      ]),
    );
    expect(api.comments).toHaveLength(1);
    const [comment] = api.comments;
    expect(comment?.body.startsWith(`${markerOf('')}\n`)).toBe(true);
    expect(comment?.body).toContain(
      '**99.95% → 99.9%**: 1,000 of 1,000,000 requests may fail instead of 500',
    );
    expect(comment?.body).toContain('- **removed** `signup`');
    expect(comment?.body).toContain('❌ generated files in `deploy/cuj-gate`');
    expect(opened.output).toMatch(
      /^errors=\d+\nwarnings=\d+\ncomment-url=https:\/\/github\.com\/example\/shop\/pull\/7#issuecomment-1000\n$/,
    );

    const good = renamed.replace('name: join', 'name: join, aliases: [signup]');
    const second = repository(
      { 'cujs.yaml': old, ...(await generated(old)) },
      {
        'cujs.yaml': good,
        ...(await generated(good)),
        'deploy/cuj-gate/analysis-templates/cuj-signup.yaml': undefined,
      },
    );
    const pushed = await runAction(second, { payload: 'pull_request.synchronize', with: inputs });
    expect(pushed).toMatchObject({ code: 0, output: expect.stringMatching(/^errors=0\n/) });
    expect(api.comments).toHaveLength(1);
    expect(comment?.body).toContain('All checks passed.');
    expect(comment?.body).toContain('- **renamed** `signup` to `join`');
    expect(comment?.body).toMatch(/- added `deploy\/cuj-gate\/analysis-templates\/cuj-join\.yaml`/);
    expect(comment?.body).toMatch(/- removed `deploy\/cuj-gate\/analysis-templates\/cuj-signup\.yaml`/);

    const count = writes().length;
    await runAction(second, { payload: 'pull_request.synchronize', with: inputs });
    expect(writes()).toHaveLength(count);
  });

  it('that changes nothing that is checked gets none, and one that is there is corrected', async () => {
    const text = registry(99.95, 'login');
    const repo = repository({ 'cujs.yaml': text }, { 'README.md': 'x' });
    expect(await runAction(repo)).toMatchObject({
      code: 0,
      summary: expect.stringContaining('Nothing: it is unchanged.'),
    });
    expect(writes()).toEqual([]);
    api.addComment(`${markerOf('')}\n**1 check of 1 failed.**`);
    await runAction(repo);
    expect(api.comments[0]?.body).toContain('All checks passed.');
  });

  it('is compared with where it left the base branch, if its own commit is checked out', async () => {
    const old = registry(99.95, 'login');
    const repo = repository(
      { 'cujs.yaml': old },
      { 'README.md': 'x' },
      { 'cujs.yaml': registry(99.95, 'login', 'later') },
    );
    const own = await runAction(repo, { workspace: repo.checkout(repo.head, 10) });
    expect(own).toMatchObject({ code: 0, summary: expect.stringContaining('Nothing: it is unchanged.') });
    const shallow = await runAction(repo, { workspace: repo.checkout(repo.head) });
    expect(shallow.summary).toContain('Leave ref out of actions/checkout, or set fetch-depth: 0.');
    // The merge of both has what came later, and is compared with the base branch as it is.
    expect(await runAction(repo)).toMatchObject({
      code: 0,
      summary: expect.stringContaining('Nothing: it is unchanged.'),
    });
  });

  it('may break rollouts in flight where the workflow allows it, and is told of what allows nothing', async () => {
    const repo = repository(
      { 'cujs.yaml': registry(99.95, 'login', 'signup') },
      { 'cujs.yaml': registry(99.95, 'login') },
    );
    expect((await runAction(repo)).code).toBe(1);
    const allowed = await runAction(repo, { with: { allow: 'cuj-removed:signup\nalias-removed:old' } });
    expect(allowed.code).toBe(0);
    expect(annotations(allowed.stdout)).toEqual([
      expect.stringContaining(
        '::warning title=cuj-gate%3A allow-matches-nothing::allow: alias-removed:old matches',
      ),
      expect.stringContaining(
        '::notice file=cujs.yaml,title=cuj-gate%3A cuj-removed::allowed: the CUJ "signup"',
      ),
    ]);
  });

  it('is told in one annotation of all generated files that are missing, with a command to copy', async () => {
    const repo = repository({ 'cujs.yaml': registry(99.95, 'login') }, { 'README.md': 'x' });
    const { code, stdout, output } = await runAction(repo, {
      with: { generate: "all --out gen --notify '@slack-{owner} now'" },
    });
    expect([code, output]).toEqual([1, expect.stringMatching(/^errors=1\n/)]);
    expect(annotations(stdout)).toEqual([
      expect.stringMatching(
        /::\d+ files below gen are missing: the registry yields them: (?:[^,]+, ){4}\S+ and \d+ more%0AFix: Run cuj-gate generate all --out gen --notify '@slack-\{owner\} now' --registry cujs\.yaml and commit the result\.$/,
      ),
    ]);
  });

  it('of a repository with several registries is checked in each, and one that is broken hides no other', async () => {
    const repo = repository(
      { 'a/cujs.yaml': registry(99.95, 'login'), 'b/cujs/x.yaml': registry(99.95, 'buy') },
      {
        'a/cujs.yaml': registry(99.95, 'login').replace('owner', 'ownr'),
        'b/cujs/x.yaml': registry(99, 'buy'),
      },
    );
    const { code, summary, stdout } = await runAction(repo, {
      with: {
        registry: 'a/cujs.yaml\nb/cujs',
        generate: 'analysis-templates --registry a/cujs.yaml --out a/out',
        'comment-name': 'all',
      },
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^::error file=a\/cujs\.yaml,line=5,col=\d+,title=cuj-gate%3A unknown-key::/m);
    expect(summary).toContain('⚪ generated files in `a/out`: not checked: the registry has errors');
    expect(summary).toContain('#### What this changes in `b/cujs`\n\n- **changed** `buy`');
    expect(api.comments[0]?.body.startsWith(markerOf('all'))).toBe(true);
  });

  it('is judged by past rollouts where there are keys, and no output has a key', async () => {
    const simulator = await startDatadogSimulator({ now: () => someTime });
    onTestFinished(() => simulator.stop());
    const hour = 3_600_000;
    plantMonth(simulator, (Math.floor(someTime / hour) - 12) * hour);
    const text = JSON.stringify(shopDocument(limitedPass));
    const observing = text.replace('"name":"buy"', '"name":"buy","mode":"observe"');
    expect(observing).not.toBe(text);
    const repo = repository({ 'cujs.json': text }, { 'cujs.json': observing });
    const keys = { 'dd-api-key': 'a1'.repeat(16), 'dd-app-key': 'b2'.repeat(20) };
    const { code, stdout, summary } = await runAction(repo, {
      env: { DD_URL: simulator.url },
      with: { registry: 'cujs.json', ...keys, 'backtest-days': '1' },
    });
    expect(code).toBe(0);
    const body = api.comments[0]?.body ?? '';
    expect(body).toMatch(/3 past rollouts from .* as this registry judges them: 0 aborted \(before: 1\)/);
    expect(body).toMatch(/`shop` `v3`: aborted → \*\*(?:passed|inconclusive)\*\*/);
    for (const secret of [token, ...Object.values(keys)])
      expect(stdout + summary + body).not.toContain(secret);
  });
});

describe('a registry with environments', () => {
  const text = (availability: number) => `apiVersion: cuj-gate/v1
environments: { staging: { env: stg }, live: { env: prod } }
services: { shop: { operation: http.request, canary: "version:{version}" } }
cujs:
  - { name: buy, owner: team, service: shop, slo: { availability: ${availability} }, endpoints: [GET /a], environments: { staging: { slo: { availability: 98 } } } }
`;

  it('is compared in each, and replays rollouts only where one is chosen', async () => {
    const repo = repository({ 'cujs.yaml': text(99.9) }, { 'cujs.yaml': text(99) });
    const keys = { 'dd-api-key': 'a1'.repeat(16), 'dd-app-key': 'b2'.repeat(20) };
    const { code, summary } = await runAction(repo, { with: keys });
    expect(code).toBe(0);
    expect(summary).toContain('**changed** `buy` (`live` only)');
    expect(summary).toContain(
      'It did not run: the registry has environments. Choose one with the input `environment`.',
    );
    const chosen = await runAction(repo, {
      with: { ...keys, environment: 'live' },
      env: { DD_URL: 'http://127.0.0.1:9' },
    });
    expect(chosen.code).toBe(0);
    expect(chosen.summary).toContain('It could not run: `cuj-gate backtest: ');
  });
});

describe('comments of others', () => {
  const changed = () =>
    repository({ 'cujs.yaml': registry(99.95, 'login') }, { 'cujs.yaml': registry(99.9, 'login') });

  it('are never updated, even if they have the marker', async () => {
    api.addComment(`${markerOf('')}\nAll checks passed.`, { login: 'mallory', type: 'User' });
    api.addComment(`> ${markerOf('')}\nquoted`);
    api.addComment(`${markerOf('other')}\nof another step`);
    await runAction(changed());
    expect(api.comments).toHaveLength(4);
    expect(writes()).toEqual(['POST /repos/example/shop/issues/7/comments']);
  });

  it('may be many: the own one is found on a later page', async () => {
    for (let at = 0; at < 230; at += 1) api.addComment(`comment ${at}`, { login: 'octavia', type: 'User' });
    api.addComment(`${markerOf('')}\nold`);
    await runAction(changed());
    expect(api.comments).toHaveLength(231);
    expect(api.comments.at(-1)?.body).toContain('**changed** `login`');
  });

  it("are told apart by who wrote them where the token is a person's", async () => {
    api.user = 'release-robot';
    api.addComment(`${markerOf('')}\nfake`, { login: 'mallory', type: 'User' });
    const repo = changed();
    await runAction(repo);
    await runAction(repo, { with: { allow: '' } });
    expect(api.comments.map(({ user }) => user.login)).toEqual(['mallory', 'release-robot']);
    expect(api.comments[0]?.body).toContain('fake');
  });
});

describe('without the right to comment', () => {
  const repo = () =>
    repository({ 'cujs.yaml': registry(99.95, 'login') }, { 'cujs.yaml': registry(99.9, 'login') });

  it('a fork gets the job summary, and the result is that of the checks', async () => {
    api.respond = (line) => (line.startsWith('GET') ? undefined : 403);
    const { code, summary } = await runAction(repo(), { payload: 'pull_request.fork' });
    expect(code).toBe(0);
    expect(summary).toContain('**changed** `login`');
    expect(summary).toContain(
      'No comment was written on the pull request: the pull request comes from a fork, whose token can only read.',
    );
  });

  it.each([
    [403, 'the token may not write comments (403); the job needs permissions: pull-requests: write'],
    [401, 'GitHub does not accept the token (401)'],
  ])('an answer of %i is a note that says what is missing', async (status, note) => {
    api.respond = () => status;
    const { code, summary } = await runAction(repo());
    expect([code, api.requests.length]).toEqual([0, 1]);
    expect(summary).toContain(note);
  });

  it('a server that fails is asked again, but is not told twice to create a comment', async () => {
    let failures = 2;
    api.respond = (line) => (line.startsWith('GET') && failures-- > 0 ? 502 : undefined);
    expect((await runAction(repo())).sleeps).toEqual([2_000, 4_000]);
    expect(api.comments).toHaveLength(1);
    api.comments.length = 0;
    api.respond = (line) => (line.startsWith('POST') ? 500 : undefined);
    const { code, summary } = await runAction(repo());
    expect(code).toBe(0);
    expect(summary).toContain('GitHub answered with 500');
    expect(writes().filter((line) => line.startsWith('POST'))).toHaveLength(2);
  });

  it('a token that is missing, or a comment that is not wanted, asks GitHub nothing', async () => {
    expect((await runAction(repo(), { env: { INPUT_TOKEN: '' } })).summary).toContain('there is no token');
    expect((await runAction(repo(), { with: { comment: 'false' } })).summary).not.toContain('No comment');
    expect(api.requests).toEqual([]);
  });
});

describe('other events', () => {
  it.each([
    ['push', 'push'],
    ['merge_group', 'merge_group.checks_requested'],
  ])('%s is compared with the commit before, without a comment', async (event, payload) => {
    const repo = repository(
      { 'cujs.yaml': registry(99.95, 'login', 'signup') },
      { 'cujs.yaml': registry(99.95, 'login') },
    );
    const { code, summary } = await runAction(repo, { event, payload });
    expect(code).toBe(1);
    expect(summary).toContain('**removed** `signup`');
    expect(api.requests).toEqual([]);
  });

  it.each([
    ['push', 'push.new-branch', 'the branch is new'],
    ['schedule', 'schedule', 'this event has no commit to compare with'],
  ])('%s (%s) is checked, and the summary says why it is not compared', async (event, payload, why) => {
    const repo = repository(
      { 'cujs.yaml': registry(99.95, 'login', 'signup') },
      { 'cujs.yaml': registry(99.95, 'login') },
    );
    const { code, summary } = await runAction(repo, { event, payload });
    expect(code).toBe(0);
    expect(summary).toContain(`It was not compared: ${why}.`);
  });

  it('pull_request_target is refused before anything is read', async () => {
    const repo = repository({ 'cujs.yaml': 'x' }, {});
    const { code, stdout } = await runAction(repo, {
      event: 'pull_request_target',
      payload: 'pull_request.fork',
    });
    expect([code, api.requests]).toEqual([2, []]);
    expect(stdout).toContain('does not run on pull_request_target');
  });
});

describe('mistakes in the workflow', () => {
  it.each([
    ['a registry that is not there', { registry: 'none.yaml' }, 1, 'there is no none.yaml'],
    ['a generator that does not exist', { generate: 'templates --out x' }, 1, 'Allowed choices are'],
    ['a pattern of files', { rollouts: 'deploy/*.yaml' }, 1, 'Patterns are not expanded'],
    ['a folder without Rollouts', { rollouts: 'cujs.yaml' }, 1, 'no Rollout in these files'],
    ['an input that is no number', { 'backtest-days': 'x' }, 2, 'backtest-days: "x" is not a whole number'],
  ])('%s is an error that says what to do', async (_what, inputs, code, message) => {
    const repo = repository({ 'cujs.yaml': registry(99.95, 'login') }, { 'README.md': 'x' });
    const result = await runAction(repo, { with: inputs });
    expect(result.code).toBe(code);
    expect(annotations(result.stdout).join('\n')).toContain(message);
    expect(annotations(result.stdout).join('\n')).toContain('Fix: ');
  });
});

it('says outside of GitHub which commands to use there', async () => {
  const { io, stdout } = capture({ env: {} });
  expect(await githubAction(io)).toBe(2);
  expect(stdout()).toContain(
    'GITHUB_WORKSPACE is not set. GitHub sets it in the step of the action; elsewhere, use cuj-gate validate',
  );
});

describe('a hostile author', () => {
  it('cannot show files of the runner through a link', async () => {
    const workspace = (repo: Repository) => {
      const at = repo.checkout();
      rmSync(path.join(at, 'cujs.yaml'), { recursive: true });
      return at;
    };
    const repo = repository({ 'cujs.yaml': registry(99.95, 'login') }, { 'README.md': 'x' });
    const environ = workspace(repo);
    symlinkSync('/proc/self/environ', path.join(environ, 'cujs.yaml'));
    const config = workspace(repo);
    symlinkSync('.git/config', path.join(config, 'cujs.yaml'));
    const folder = workspace(repo);
    writeFiles(folder, { 'inner/a.txt': '' });
    symlinkSync('/etc/hostname', path.join(folder, 'inner/x.yaml'));
    symlinkSync('inner', path.join(folder, 'cujs.yaml'));
    for (const at of [environ, config, folder]) {
      const { code, stdout } = await runAction(repo, { workspace: at });
      expect(code).toBe(1);
      expect(stdout).toContain('is a link that leads nowhere, or out of the files of the repository');
    }
    const out = repo.checkout();
    symlinkSync('/etc', path.join(out, 'generated'));
    const { stdout } = await runAction(repo, {
      workspace: out,
      with: { generate: 'analysis-templates --out generated' },
    });
    expect(stdout).toContain('generated is a link that leads nowhere');
  });

  it('starts no workflow command and no mention, whatever the registry and its files are called', async () => {
    const evil = '::set-output name=errors::0\\n##[add-matcher]evil.json @example/everyone <img src=x>';
    const text = registry(99.95, 'login').replace('owner: team', `owner: "${evil}", "${evil}": 1`);
    const name = 'cujs/x ##[error]@you,line=1.yaml';
    const repo = repository({ [name]: registry(99.95, 'login') }, { [name]: text });
    const { code, stdout, summary } = await runAction(repo, { with: { registry: 'cujs' } });
    expect(code).toBe(1);
    let stopped: string | undefined;
    for (const line of stdout.split('\n')) {
      const [, stop] = /^::stop-commands::(.+)$/.exec(line) ?? [];
      if (stop !== undefined) stopped = stop;
      else if (line === `::${stopped}::`) stopped = undefined;
      else if (stopped === undefined && !/^::(?:error|warning|notice) /.test(line))
        expect(line).not.toMatch(/::|##\[/);
    }
    for (const body of [summary, api.comments[0]?.body ?? ''])
      expect(body.replace(/```[\s\S]*?```/g, '').replace(/`[^`]*`/g, '')).not.toMatch(/@|<img/);
  });

  it('cannot read a token that is in the registry either', async () => {
    const repo = repository(
      { 'cujs.yaml': registry(99.95, 'login') },
      { 'cujs.yaml': registry(99.95, 'login').replace('owner', token) },
    );
    const { stdout, summary } = await runAction(repo);
    expect(stdout + summary + api.comments[0]?.body).not.toContain(token);
    expect(summary).toContain('[redacted]');
  });
});
