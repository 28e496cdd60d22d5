import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { generateCommand } from '../../src/commands/generate.ts';
import { lintCommand } from '../../src/commands/lint.ts';
import { manifestName } from '../../src/commands/support/output-folder.ts';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { capture, someTime } from './io.ts';

const cuj = (name: string) =>
  `  - { name: ${name}, owner: team, service: shop, endpoints: [GET /${name}] }\n`;
const registryText = (...names: string[]) =>
  `apiVersion: cuj-gate/v1
defaults: { slo: { availability: 99.9 }, gate: { lag: 90s } }
services:
  shop: { env: prod, operation: http.request, canary: "version:{version}" }
cujs:
${names.map(cuj).join('')}`;

let dir: string;
let registry: string;
let out: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cuj-gate-generate-'));
  registry = join(dir, 'cujs.yaml');
  out = join(dir, 'out');
  await writeFile(registry, registryText('login', 'signup'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function generate(
  args: readonly string[],
  env: Record<string, string> = { CUJ_GATE_REGISTRY: registry },
) {
  const { io, stdout, stderr } = capture({ env });
  const code = await generateCommand(args, io);
  return { code, stdout: stdout(), stderr: stderr() };
}
const templates = (...args: string[]) => generate(['analysis-templates', '--out', out, ...args]);
const login = () => join(out, 'analysis-templates/cuj-login.yaml');
const signup = () => join(out, 'analysis-templates/cuj-signup.yaml');
const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

describe('generate without --out', () => {
  it('prints documents for kubectl, each with its path, and nothing else', async () => {
    const { code, stdout, stderr } = await generate(['analysis-templates']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.match(/^# analysis-templates\/.*$/gm)).toEqual([
      '# analysis-templates/cuj-login.yaml',
      '# analysis-templates/cuj-signup.yaml',
      '# analysis-templates/service-shop.yaml',
    ]);
    expect(stdout.split('---\n')).toHaveLength(6);
  });

  it('prints one file as it is, so that JSON stays JSON', async () => {
    const { stdout } = await generate(['grafana-dashboard']);
    expect(JSON.parse(stdout)).toMatchObject({ uid: 'cuj-gate' });
  });

  it('prints what was asked for, in one order, whatever the order of the words', async () => {
    const one = await generate(['rollout', 'virtual-service', '--service', 'shop']);
    const other = await generate(['virtual-service', 'rollout', '--service', 'shop']);
    expect(one.stdout).toBe(other.stdout);
    expect(one.stdout).toContain('kind: VirtualService');
  });
});

describe('misuse ends with 2 and says what to do', () => {
  it.each([
    ['no registry', ['all'], {}, 'Use --registry PATH'],
    [
      'a registry that is not there',
      ['all', '--registry', '/does/not/exist.yaml'],
      {},
      '/does/not/exist.yaml',
    ],
    ['nothing to make', [], undefined, "missing required argument 'what'"],
    ['something unknown', ['helm'], undefined, 'Allowed choices are analysis-templates'],
    ['--check without a folder', ['all', '--check'], undefined, '--check requires --out DIR'],
    [
      'an unknown service, with the nearest',
      ['rollout', '--service', 'shopp'],
      undefined,
      'Did you mean "shop"?',
    ],
    [
      'a parameter that no selector takes',
      ['rollout', '--param', 'verion=value:x'],
      undefined,
      'They have: version.',
    ],
    [
      'a source that is none',
      ['rollout', '--version-from', 'image'],
      undefined,
      '"image" is not one of pod-template-hash',
    ],
    [
      'the stable version for the canary',
      ['rollout', '--version-from', 'pod-template-hash:Stable'],
      undefined,
      'not the version of the new pods',
    ],
    [
      'the same version in every release',
      ['rollout', '--version-from', 'value:v1'],
      undefined,
      'not the version of the new pods',
    ],
    [
      'the stable version for a parameter of the canary',
      ['rollout', '--param', 'version=pod-template-hash:Stable'],
      undefined,
      'the old version would be judged',
    ],
    ['a URL that is none', ['all', '--gate-url', 'gate:8080'], undefined, 'http:// or https://'],
    ['a URL with a query', ['all', '--gate-url', 'http://gate?x=1'], undefined, 'must not contain ? or #'],
    ['a public URL that is none', ['all', '--public-url', 'gate.example.com'], undefined, 'It is not a URL'],
    [
      'a public URL with a query',
      ['all', '--public-url', 'https://gate.example.com/?x=1'],
      undefined,
      'must not contain ? or #',
    ],
    [
      'a public URL with a password',
      ['all', '--public-url', 'https://me:secret@gate.example.com'],
      undefined,
      'must not contain a user name or password',
    ],
    [
      'a public URL that Argo CD would take for title and URL',
      ['all', '--public-url', 'https://gate.example.com/a|b'],
      undefined,
      'may hold only letters, digits, and . _ ~ -',
    ],
    [
      'a public URL that Grafana would take for a variable',
      ['all', '--public-url', 'https://gate.example.com/$a'],
      undefined,
      'may hold only letters, digits, and . _ ~ -',
    ],
    ['an interval that is none', ['all', '--interval', '60'], undefined, 'Use a whole number with s, m or h'],
    ['no time between measurements', ['all', '--interval', '0s'], undefined, 'It must be above 0'],
    [
      'fewer measurements than passes',
      ['all', '--count', '3'],
      undefined,
      'with 3 measurements cannot pass 4 times in a row. Lower --passes or raise --count.',
    ],
    [
      'traffic that is none',
      ['all', '--requests-per-minute', 'shop=many'],
      undefined,
      'Use a number above 0, or SERVICE=N',
    ],
    ['no traffic', ['all', '--requests-per-minute', '0'], undefined, 'Use a number above 0, or SERVICE=N'],
    [
      'traffic below none',
      ['all', '--requests-per-minute=-5'],
      undefined,
      'Use a number above 0, or SERVICE=N',
    ],
    [
      'traffic of no service',
      ['all', '--requests-per-minute', '=5'],
      undefined,
      'Use a number above 0, or SERVICE=N',
    ],
    [
      'traffic of an unknown service, with the nearest',
      ['all', '--requests-per-minute', 'shopp=40'],
      undefined,
      'No CUJ uses a service "shopp". Did you mean "shop"?',
    ],
    [
      'traffic twice',
      ['all', '--requests-per-minute', '40', '--requests-per-minute', '50'],
      undefined,
      'It is given twice.',
    ],
    [
      'traffic of one service twice',
      ['all', '--requests-per-minute', 'shop=40', '--requests-per-minute', 'shop=50'],
      undefined,
      'It is given twice for shop.',
    ],
    [
      'traffic that is given and measured',
      ['all', '--requests-per-minute', '40', '--measure-traffic'],
      undefined,
      '--measure-traffic and --requests-per-minute are both given. Use one of them.',
    ],
    [
      'a comparison with traffic that changes',
      ['all', '--measure-traffic', '--check', '--out', 'x'],
      undefined,
      'traffic is not the same every day',
    ],
    ['traffic without keys', ['rollout', '--measure-traffic'], undefined, 'DD_API_KEY'],
    ['a count that is none', ['all', '--count', '0'], undefined, 'a whole number of at least 1'],
    ['a Secret without a key', ['all', '--auth-secret', 'gate'], undefined, 'Use SECRET/KEY'],
    [
      'two ways to authenticate',
      ['all', '--auth-secret', 'a/b', '--oauth2-secret', 'c'],
      undefined,
      'Use one of them',
    ],
    ['half of OAuth2', ['all', '--oauth2-secret', 'c'], undefined, 'Give both'],
  ] as const)('%s', async (_, args, env, message) => {
    const { code, stdout, stderr } = await generate(args, env);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it.each([
    ['gate', 'CUJ_GATE_PUBLIC_URL=gate is invalid. It is not a URL. Correct it, or give --public-url.'],
    ['https://me:secret@gate', 'CUJ_GATE_PUBLIC_URL is invalid. It must not contain a user name or password'],
  ])('a public URL of the environment that is none: %s', async (url, message) => {
    const env = { CUJ_GATE_REGISTRY: registry, CUJ_GATE_PUBLIC_URL: url };
    const { code, stdout, stderr } = await generate(['all'], env);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('secret');
  });

  it('ends with 1 where the registry has problems, and lists them', async () => {
    await writeFile(registry, registryText('login').replace('99.9', '100'));
    const { code, stdout, stderr } = await generate(['all']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`${registry}:2:`);
  });

  it('is a verb of the program', async () => {
    const { io, stdout } = capture();
    expect(await run(['generate', 'grafana-dashboard', '--registry', registry], io)).toBe(0);
    expect(stdout()).toContain('"uid": "cuj-gate"');
  });
});

describe('generate --out', () => {
  it('says to apply the metrics of clients before the gate gets the registry, where they changed', async () => {
    const env = { CUJ_GATE_REGISTRY: 'test/testdata/client-registry.yaml' };
    const terraform = () => generate(['terraform', '--out', out], env);
    expect((await terraform()).stderr).toMatch(
      /apply .*out\/terraform before the gate gets this registry: .* client-shop-web\.tf\.json/,
    );
    expect((await terraform()).stderr).not.toContain('apply');
  });

  it('writes the files with a manifest, and nothing the second time', async () => {
    expect((await templates()).stderr).toContain('3 written, 0 unchanged, 0 removed');
    const before = await stat(login());
    expect((await templates()).stderr).toContain('0 written, 3 unchanged, 0 removed');
    expect((await stat(login())).mtimeMs).toBe(before.mtimeMs);
    expect((await readdir(out, { recursive: true })).sort()).toEqual([
      manifestName,
      'analysis-templates',
      'analysis-templates/cuj-login.yaml',
      'analysis-templates/cuj-signup.yaml',
      'analysis-templates/service-shop.yaml',
    ]);
  });

  it('removes what it wrote before and does not make any more', async () => {
    await templates();
    await writeFile(registry, registryText('login'));
    expect((await templates()).stderr).toContain('removed  analysis-templates/cuj-signup.yaml');
    expect(await exists(signup())).toBe(false);
    expect(await exists(login())).toBe(true);
  });

  it('keeps, of what it does not make any more, a file that was edited', async () => {
    await templates();
    await writeFile(signup(), 'mine\n');
    await writeFile(registry, registryText('login'));
    expect((await templates()).stderr).toContain('kept     analysis-templates/cuj-signup.yaml');
    expect(await readFile(signup(), 'utf8')).toBe('mine\n');
    expect((await templates('--check')).code).toBe(0);
  });

  it('never removes a file that it did not write', async () => {
    await mkdir(join(out, 'analysis-templates'), { recursive: true });
    const foreign = join(out, 'analysis-templates/cuj-other.yaml');
    await writeFile(foreign, 'theirs\n');
    await templates();
    await writeFile(registry, registryText('login'));
    await templates();
    expect(await readFile(foreign, 'utf8')).toBe('theirs\n');
  });

  it('leaves the files of other generators alone', async () => {
    await templates();
    await generate(['openslo', '--out', out]);
    await writeFile(registry, registryText('login'));
    await generate(['openslo', '--out', out]);
    expect(await exists(signup())).toBe(true);
    expect(await exists(join(out, 'openslo/cuj-signup.yaml'))).toBe(false);
    expect((await templates('--check')).code).toBe(1);
  });

  it('says nothing about other services where only one was asked for', async () => {
    await generate(['rollout', '--out', out]);
    const { stderr } = await generate(['rollout', '--out', out, '--service', 'shop']);
    expect(stderr).toContain('0 removed');
  });

  it.each([
    ['was edited', async () => templates(), 'was edited since it was written'],
    [
      'is not ours',
      async () => mkdir(join(out, 'analysis-templates'), { recursive: true }),
      'was not written by generate',
    ],
  ])('changes nothing where a file that stands in the way %s, unless forced', async (_, prepare, message) => {
    await prepare();
    await writeFile(login(), 'mine\n');
    await writeFile(registry, registryText('login', 'signup', 'search'));
    const refused = await templates();
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
    expect(await exists(join(out, 'analysis-templates/cuj-search.yaml'))).toBe(false);
    expect(await readFile(login(), 'utf8')).toBe('mine\n');
    expect((await templates('--force')).code).toBe(0);
    expect(await readFile(login(), 'utf8')).toContain('cuj-login-watch');
  });

  it('takes over a file that is already what it would write', async () => {
    await templates();
    await rm(join(out, manifestName));
    expect((await templates()).code).toBe(0);
    await writeFile(registry, registryText('login'));
    await templates();
    expect(await exists(signup())).toBe(false);
  });

  it.each([
    ['no JSON', '{'],
    ['something else', '{"format":"other"}'],
    [
      'a path that leaves the folder',
      '{"format":"cuj-gate/manifest/v1","files":{"../x":{"what":"rollout","sha256":"0"}}}',
    ],
    [
      'an absolute path',
      '{"format":"cuj-gate/manifest/v1","files":{"/etc/passwd":{"what":"rollout","sha256":"0"}}}',
    ],
    ['an entry without a digest', '{"format":"cuj-gate/manifest/v1","files":{"x":{"what":"rollout"}}}'],
  ])('does not trust a manifest that is %s', async (_, text) => {
    await mkdir(out);
    await writeFile(join(out, manifestName), text);
    expect(await templates()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is invalid'),
    });
    expect(await readdir(out)).toEqual([manifestName]);
  });

  it.each([
    ['below a file', () => join(registry, 'out')],
    ['where there can be no folder', () => '/proc/cuj-gate/out'],
  ])('says so where it cannot write: %s', async (_, folder) => {
    expect(await generate(['analysis-templates', '--out', folder()])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('cannot be written'),
    });
  });

  it('goes on where it was interrupted, and takes no file of its own for an edited one', async () => {
    const both = (...args: string[]) => generate(['analysis-templates', 'openslo', '--out', out, ...args]);
    await writeFile(registry, registryText('login'));
    await both();
    // A file where a folder belongs ends the second run between its writes.
    await rm(join(out, 'openslo'), { recursive: true });
    await writeFile(join(out, 'openslo'), '');
    await writeFile(registry, registryText('login', 'signup').replaceAll('owner: team', 'owner: squad'));
    expect(await both()).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot be written') });
    expect(await readFile(login(), 'utf8')).toContain('squad');
    expect(await both('--check')).toMatchObject({ code: 1 });
    await rm(join(out, 'openslo'));
    const written = await readFile(login(), 'utf8');
    await writeFile(login(), 'mine\n');
    expect(await both()).toMatchObject({ code: 2, stderr: expect.stringContaining('was edited since') });
    await writeFile(login(), written);
    // What was not written is as it was before, what was written as it is now: neither is an edit.
    await writeFile(registry, registryText('login').replaceAll('owner: team', 'owner: crew'));
    expect(await both()).toMatchObject({ code: 0, stderr: expect.stringContaining('1 removed') });
    expect(await exists(signup())).toBe(false);
    expect(await both('--check')).toMatchObject({ code: 0, stdout: '' });
    expect(await readFile(join(out, manifestName), 'utf8')).not.toContain('"was"');
  });

  it('leaves no temporary file behind where it fails', async () => {
    await mkdir(join(out, 'analysis-templates/cuj-login.yaml'), { recursive: true });
    expect((await templates()).code).toBe(2);
    expect((await readdir(out, { recursive: true })).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describe('generate with links to pages', () => {
  const linksOf = async (args: readonly string[], env: Record<string, string> = {}) => {
    const { stdout } = await generate(['analysis-templates', ...args], {
      CUJ_GATE_REGISTRY: registry,
      ...env,
    });
    return [...new Set([...stdout.matchAll(/external-link: (.*)$/gm)].map((match) => match[1]))];
  };
  const env = { CUJ_GATE_PUBLIC_URL: 'https://gate.example.com' };

  it('has none where no address is known', async () => {
    expect(await linksOf([])).toEqual([]);
    expect(await linksOf([], { CUJ_GATE_PUBLIC_URL: ' ' })).toEqual([]);
  });

  it('takes the address from the option, else from the environment, without a slash at its end', async () => {
    const pages = (url: string) => [`${url}/cujs/login`, `${url}/cujs/signup`, `${url}/`];
    expect(await linksOf([], env)).toEqual(pages('https://gate.example.com'));
    expect(await linksOf(['--public-url', 'https://ops.example.com/gate//'], env)).toEqual(
      pages('https://ops.example.com/gate'),
    );
  });

  it('finds files that were written without', async () => {
    const all = ['all', '--out', out];
    await generate(all);
    expect((await generate([...all, '--check'])).code).toBe(0);
    const linked = await generate([...all, '--check'], { CUJ_GATE_REGISTRY: registry, ...env });
    expect(linked.code).toBe(1);
    expect(linked.stdout).toContain(
      '+    link.argocd.argoproj.io/external-link: https://gate.example.com/cujs/login',
    );
    await generate([...all, '--public-url', env.CUJ_GATE_PUBLIC_URL]);
    expect((await generate([...all, '--check', '--public-url', env.CUJ_GATE_PUBLIC_URL])).code).toBe(0);
  });
});

describe('generate for some traffic', () => {
  const steps = (stdout: string) =>
    [...stdout.matchAll(/^ +(?:- setWeight|duration|count): (\S+)$/gm)].map((match) => match[1]);
  const of = async (...args: string[]) => generate(['rollout', 'analysis-templates', ...args]);
  const sample = ['45', '45', '45', '25', '5m', '95', '10m', '100'];

  it('is the sample where the traffic is not known', async () => {
    expect(steps((await of()).stdout)).toEqual(sample);
    await writeFile(
      registry,
      registryText('login').replace(
        'cujs:',
        '  other: { env: prod, operation: http.request, canary: "version:{version}" }\ncujs:\n  - { name: x, owner: team, service: other, endpoints: [GET /x] }',
      ),
    );
    const { stdout } = await of('--service', 'shop', '--requests-per-minute', 'other=4000');
    expect(steps(stdout).slice(-5)).toEqual(sample.slice(-5));
  });

  it('has steps and counts for as many requests', async () => {
    const busy = await of('--requests-per-minute', '4000');
    expect(steps(busy.stdout)).toEqual(['45', '45', '45', '25', '3m', '95', '10m', '100']);
    expect(busy.stdout).toContain(
      '# Sized for login, which takes longest: 4000 requests a minute, canary and stable together.',
    );
    const thin = await of('--requests-per-minute', '9999', '--requests-per-minute', 'shop=0.5');
    expect(thin).toMatchObject({ code: 0, stderr: '' });
    expect(steps(thin.stdout)).toEqual(['94', '94', '94', '50', '30m', '95', '10m', '100']);
  });

  it('says on stderr what cannot be proved, and does not gate by it', async () => {
    const { code, stdout, stderr } = await of('--requests-per-minute', '0.1');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: shop: login has 0\.1 requests a minute: no pass is possible at 50%/);
    expect(steps(stdout)).toEqual(sample);
    expect(stdout).toContain('# Watched only, by the background analysis: login, signup.');
    expect(stdout).not.toContain('templateName: cuj-login-gate');
    expect((await generate(['openslo', '--requests-per-minute', '0.1'])).stderr).toBe('');
  });

  it.each(['4000', '300', '40', '10', '4', '2', '1', '0.5'])(
    'makes Rollouts that lint finds nothing in, with %s requests a minute',
    async (requests) => {
      expect((await of('--out', out, '--requests-per-minute', requests)).code).toBe(0);
      const { io, stdout } = capture({ env: { CUJ_GATE_REGISTRY: registry } });
      const files = [join(out, 'rollouts/shop.yaml'), login(), signup()];
      await lintCommand(['rollout', ...files, '--requests-per-minute', requests], io);
      expect(stdout()).toBe('ok: shop: no problems found\n');
    },
  );
});

describe('generate for measured traffic', () => {
  const hour = 3_600_000;
  let simulator: Simulator;
  beforeEach(async () => {
    simulator = await startDatadogSimulator({ now: () => someTime });
  });
  afterEach(() => simulator.stop());
  const keys = () => ({
    CUJ_GATE_REGISTRY: registry,
    DD_API_KEY: 'a'.repeat(32),
    DD_APP_KEY: 'b'.repeat(40),
    DD_URL: simulator.url,
  });
  const measured = (...args: string[]) =>
    generate(['rollout', 'analysis-templates', '--measure-traffic', '--days', '1', ...args], keys());

  it('reads the traffic of each CUJ, and sizes for the slowest', async () => {
    for (let at = Math.floor(someTime / hour - 26) * hour; at < someTime + hour; at += hour) {
      // 2 requests a minute on login, 0.5 around 03:00 UTC; 4,000 on signup.
      const night = new Date(at).getUTCHours() === 3;
      for (const [resource, count] of [
        ['GET /login', night ? 30 : 120],
        ['GET /signup', 240_000],
      ] as const)
        simulator.store.recordRequests({
          env: 'prod',
          operation: 'http.request',
          service: 'shop',
          version: 'v1',
          resource,
          at,
          statusCode: 200,
          count,
        });
    }
    const { code, stdout, stderr } = await measured();
    expect(code).toBe(0);
    expect(stdout).toContain('- setWeight: 25\n');
    expect(stdout).toMatch(/duration: 2[0-9]m/);
    expect(stdout).toContain(
      '# Sized for login, which takes longest: 2 requests a minute in the median hour and 0.5 in the quietest\n',
    );
    expect(stderr).toMatch(
      /^querying the traffic of shop\nwarning: shop: login has 2 requests .* in the quietest hour, a pass takes 90 minutes/,
    );
  });

  it('makes nothing where Datadog cannot be asked', async () => {
    simulator.setFault(() => ({ kind: 'status', status: 403 }));
    const { code, stdout, stderr } = await measured();
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/cuj-gate generate: shop: .*403/);
    expect(stderr).toContain('not all traffic could be read, nothing was generated');
  });

  it('asks nobody where no steps are made', async () => {
    const { code, stderr } = await generate(['openslo', '--measure-traffic'], keys());
    expect([code, stderr, simulator.calls]).toEqual([0, '', []]);
  });
});

describe('generate --check', () => {
  it('writes nothing, and finds a folder that is not there', async () => {
    const { code, stdout, stderr } = await templates('--check');
    expect(code).toBe(1);
    expect(stdout).toContain('+++ analysis-templates/cuj-login.yaml (generated)');
    expect(stdout).toContain('--- /dev/null');
    expect(stderr).toContain('4 files differ');
    expect(await exists(out)).toBe(false);
  });

  it('shows the line that differs, and what it should be', async () => {
    await templates();
    const text = await readFile(login(), 'utf8');
    await writeFile(login(), text.replace('failureLimit: 0', 'failureLimit: 5'));
    const { code, stdout } = await templates('--check');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^-\s+failureLimit: 5\n\+\s+failureLimit: 0$/m);
    expect(stdout).not.toContain('cuj-signup');
  });

  it('finds a file that should be gone, and one that is gone', async () => {
    await templates();
    await writeFile(registry, registryText('login'));
    expect((await templates('--check')).stdout).toContain('--- analysis-templates/cuj-signup.yaml (on disk)');
    await templates();
    await rm(login());
    expect((await templates('--check')).stdout).toContain(
      '+++ analysis-templates/cuj-login.yaml (generated)',
    );
  });

  it('finds other options than those it was written with', async () => {
    await templates();
    expect((await templates('--check', '--interval', '30s')).code).toBe(1);
  });

  it('finds nothing where limits are given that follow from the interval anyway', async () => {
    await templates('--interval', '60s');
    const { code } = await templates('--check', '--interval', '60s', '--count', '15', '--passes', '2');
    expect(code).toBe(0);
  });

  it('does not mind a comment in the registry', async () => {
    await templates();
    await writeFile(registry, `# a comment\n${registryText('login', 'signup')}`);
    expect((await templates('--check')).code).toBe(0);
  });

  it('tells what would break rollouts in flight from other differences', async () => {
    await templates();
    const file = /analysis-templates\/cuj-signup\.yaml:\d+:\d+: /.source;
    await writeFile(registry, registryText('login', 'join'));
    const renamed = await templates('--check');
    expect(renamed.code).toBe(1);
    expect(renamed.stdout).toMatch(
      new RegExp(
        `^\\S+${file}breaks rollouts in flight: the CUJ "signup" is not in the registry .* \\(cuj-removed\\)$`,
        'm',
      ),
    );
    expect(renamed.stderr).toContain('1 question of templates on disk would be refused');

    const aliased = registryText('login', 'join').replace('name: join', 'name: join, aliases: [signup]');
    await writeFile(registry, aliased);
    const harmless = await templates('--check');
    expect(harmless.code).toBe(1);
    expect(harmless.stdout).toMatch(new RegExp(`${file}note: "signup" is an alias: .* \\(cuj-renamed\\)`));
    expect(harmless.stdout).not.toContain('breaks');
    expect(harmless.stderr).not.toContain('refused');

    // To remove the alias later changes no template.
    await templates();
    await writeFile(registry, registryText('login', 'join'));
    expect((await templates('--check')).code).toBe(0);
  });

  it('says the same as JSON: each file with its kind, the first line that differs, and what breaks', async () => {
    await templates();
    await writeFile(registry, registryText('login', 'join'));
    const text = await readFile(login(), 'utf8');
    await writeFile(login(), text.replace('failureLimit: 0', 'failureLimit: 5'));
    const { code, stdout } = await templates('--check', '--json');
    expect(code).toBe(1);
    const report = JSON.parse(stdout);
    const line = text.slice(0, text.indexOf('failureLimit: 0')).split('\n').length;
    expect(report).toMatchObject({
      ok: false,
      out,
      files: 3,
      differences: [
        { file: join(out, manifestName), kind: 'changed' },
        { file: join(out, 'analysis-templates/cuj-join.yaml'), kind: 'missing', line: 1 },
        { file: login(), kind: 'changed', line, diff: expect.stringContaining('failureLimit: 5') },
        { file: signup(), kind: 'stale', line: 1 },
      ],
      inFlight: [
        {
          breaks: true,
          file: signup(),
          line: expect.any(Number),
          rule: 'cuj-removed',
          fix: expect.any(String),
        },
      ],
    });
    await templates('--force');
    expect(JSON.parse((await templates('--check', '--json')).stdout)).toMatchObject({
      ok: true,
      differences: [],
    });
    expect((await templates('--json')).stderr).toContain('--json requires --check');
  });

  it('finds parameters that the registry would no longer accept', async () => {
    await templates();
    const text = registryText('login', 'signup');
    await writeFile(registry, text.replaceAll('{version}', '{release}'));
    const { stdout, stderr } = await templates('--check');
    expect(stdout).toMatch(
      /breaks rollouts in flight: templates send the parameter "version".* \(parameter-unknown\)/,
    );
    expect(stdout).toMatch(
      /breaks rollouts in flight: the canary's selector needs the parameter "release".* \(parameter-missing\)/,
    );
    expect(stderr).toContain('questions of templates on disk would be refused');
  });

  it('removes the templates of a retired CUJ, and says what a rollout in flight does', async () => {
    await templates();
    const retired = registryText('login').concat(
      '  - { name: signup, owner: a, retired: merged into login }\n',
    );
    await writeFile(registry, retired);
    const { stdout } = await templates('--check');
    expect(stdout).toMatch(
      /note: the CUJ "signup" is retired: .* pauses the rollout for a person \(cuj-retired\)/,
    );
    expect(stdout).not.toContain('breaks');
    expect((await templates()).stderr).toContain('removed  analysis-templates/cuj-signup.yaml');
  });

  it('says so where it cannot read', async () => {
    await templates();
    await rm(login());
    await mkdir(login());
    expect(await templates('--check')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('cannot be read'),
    });
  });
});

describe('lint rollout', () => {
  async function lint(args: readonly string[], env: Record<string, string> = {}) {
    const { io, stdout, stderr } = capture({ env });
    const code = await lintCommand(args, io);
    return { code, stdout: stdout(), stderr: stderr() };
  }
  const files = () => [join(out, 'rollouts/shop.yaml'), login(), signup()];
  beforeEach(() => generate(['rollout', 'analysis-templates', '--out', out]));

  it('ends with 0 where nothing is wrong', async () => {
    expect(await lint(['rollout', ...files()])).toEqual({
      code: 0,
      stdout: 'ok: shop: no problems found\n',
      stderr: '',
    });
  });

  it('ends with 1 at an error, with file and line, what it means and what to do', async () => {
    await writeFile(login(), (await readFile(login(), 'utf8')).replace('failureLimit: 0', 'failureLimit: 9'));
    const { code, stdout } = await lint(['rollout', ...files()]);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /cuj-login\.yaml:\d+:\d+: error: failureLimit 9 .*\(failure-limit\)\n {2}means: .*\n {2}fix: {3}.*\nshop: 1 error, 0 warnings\n$/,
    );
  });

  it('ends with 0 where there are only warnings', async () => {
    const { code, stdout } = await lint(['rollout', files()[0] as string]);
    expect(code).toBe(0);
    expect(stdout).toContain('shop: 0 errors, 4 warnings');
  });

  it('has the same for machines', async () => {
    const { code, stdout } = await lint(['rollout', ...files(), '--json', '--requests-per-minute', '1'], {
      CUJ_GATE_REGISTRY: registry,
    });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      rollouts: ['shop'],
      findings: [{ severity: 'error', rule: 'pause-too-short', file: files()[0], line: expect.any(Number) }],
    });
  });

  it.each([
    ['a folder', ['rollout', 'config'], 'config is a folder: give its files, such as config/*.yaml'],
    ['a file that is not there', ['rollout', '/does/not/exist.yaml'], '/does/not/exist.yaml cannot be read'],
    ['files without a Rollout', ['rollout', 'config/cujs.yaml'], 'no Rollout in these files'],
    ['no file', ['rollout'], "missing required argument 'files'"],
    ['an objective that is none', ['rollout', 'x', '--objective', '100'], 'between 0 and 100'],
    ['traffic that is none', ['rollout', 'x', '--requests-per-minute', 'many'], 'a number above 0'],
  ])('ends with 2 for %s', async (_, args, message) => {
    const { code, stderr } = await lint(args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('generate --rollouts', () => {
  const tag = 'tags.datadoghq.com/version';
  const rollout = (name: string, own: object, pods: object, env: readonly object[] = []) =>
    `${JSON.stringify({
      kind: 'Rollout',
      metadata: { name, labels: own },
      spec: { template: { metadata: { labels: pods }, spec: { containers: [{ name: 'app', env }] } } },
    })}\n`;
  const read = (...args: string[]) => generate(['rollout', '--rollouts', join(dir, 'deploy'), ...args]);
  const write = async (...texts: string[]) => {
    await mkdir(join(dir, 'deploy', 'deeper'), { recursive: true });
    await writeFile(join(dir, 'deploy', 'deeper', 'all.yaml'), texts.join('---\n'));
    await writeFile(join(dir, 'deploy', 'README.md'), 'not: a: manifest');
  };

  it('takes a readable label where the Rollout has one, and says what it costs', async () => {
    await write(rollout('shop', { [tag]: '1.4' }, { [tag]: '1.4' }));
    const { code, stdout, stderr } = await read();
    expect(code).toBe(0);
    expect(stdout).toContain(`fieldPath: metadata.labels['${tag}']`);
    expect(stdout).not.toContain('podTemplateHashValue');
    expect(stderr).toBe(
      `shop: version from the label ${tag}; change it with every release, also where only configuration changes (${join(dir, 'deploy/deeper/all.yaml')}:1: the Rollout and its pods have the label ${tag})\n`,
    );
  });

  it('takes the pod template hash otherwise', async () => {
    await write(rollout('shop', {}, {}));
    expect((await read()).stdout).toContain('podTemplateHashValue: Latest');
    expect((await generate(['rollout'])).stdout).toContain('podTemplateHashValue: Latest');
  });

  it.each([
    [
      'a version that Argo cannot read',
      [rollout('shop', {}, { [tag]: '1.4' })],
      [],
      'Give the Rollout itself (metadata.labels) the label tags.datadoghq.com/version',
    ],
    [
      'two Rollouts of a service that disagree',
      [
        rollout('shop', {}, {}),
        rollout('shop-2', {}, { version: '1' }, [
          { name: 'DD_SERVICE', value: 'shop' },
          { name: 'DD_VERSION', value: '1' },
        ]),
      ],
      [],
      'Keep it in the same place in all Rollouts of a service.',
    ],
    [
      'no Rollout of a known service',
      [rollout('other', {}, {})],
      [],
      'belongs to no service of the registry',
    ],
    ['two answers', [rollout('shop', {}, {})], ['--version-from', 'label:version'], 'Use one of them'],
    ['a folder that is not there', [], [], 'Give the file or folder of your Rollouts'],
  ])('refuses %s', async (_, texts, args, message) => {
    if (texts.length > 0) await write(...texts);
    const { code, stdout, stderr } = await read(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});
