import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { scratchFile } from '../registry-files/scratch.ts';
import { capture } from './io.ts';

const example = fileURLToPath(new URL('../../config/cujs.yaml', import.meta.url));
const goodText = readFileSync(new URL('../testdata/registry/good.yaml', import.meta.url), 'utf8');

async function cujGate(...argv: string[]) {
  const { io, stdout, stderr } = capture();
  const code = await run(argv, io);
  return { code, stdout: stdout(), stderr: stderr() };
}

describe('validate', () => {
  it('says in one line that a registry is good', async () => {
    const { code, stdout, stderr } = await cujGate('validate', example);
    expect(stdout).toMatch(/^ok: 10 CUJs, 3 services, digest sha256:[0-9a-f]{64}\n$/);
    expect([code, stderr]).toEqual([0, '']);
  });

  it('shows each problem with place, rule, path, value and what to do, and counts them', async () => {
    const path = scratchFile(goodText.replace('tier: 1', 'teir: 1').replace('lag: 90s', 'lag: 5s'));
    const { code, stdout, stderr } = await cujGate('validate', path);
    expect([code, stderr]).toEqual([1, '']);
    expect(stdout.replaceAll(path, 'cujs.yaml')).toBe(
      [
        'cujs.yaml:5:48: lag is 5s, and no metrics are complete before 20 s (lag-range)',
        '  at:    defaults.gate.lag',
        '  found: "5s"',
        '  fix:   lag must be 20s to 1h. The default is 45s.',
        'cujs.yaml:41:5: cujs[0] has no key "teir" (unknown-key)',
        '  at:    cujs[0].teir',
        '  found: "teir"',
        '  fix:   Did you mean tier? Known here: name, title, description, owner, runbook, tier, service, mode, aliases, retired, slo, sloId, gate, latencyMs, failure, endpoints, client, errorBudgetPolicy, environments.',
        '2 problems',
        '',
      ].join('\n'),
    );
  });

  it('warns of what cannot be proved with so much traffic, in text and in JSON', async () => {
    const requests = ['--requests-per-minute', '40', '--requests-per-minute', 'payment-api=0.1'];
    const { code, stdout } = await cujGate('validate', example, ...requests);
    expect(code).toBe(0);
    expect(stdout.split('\n').slice(1)).toEqual([
      expect.stringMatching(
        /^warning: payment-api: subscribe has 0\.1 requests a minute: .* Set mode: observe or /,
      ),
      '',
    ]);
    const json = JSON.parse((await cujGate('validate', example, '--json', ...requests)).stdout);
    expect(json).toMatchObject({
      ok: true,
      warnings: [expect.stringMatching(/^payment-api: subscribe has/)],
    });
    expect(await cujGate('validate', example, '--requests-per-minute', 'payment=1')).toMatchObject({
      code: 2,
      stderr: 'cuj-gate validate: No CUJ uses a service "payment". Did you mean "payment-api"?\n',
    });
  });

  it('warns of what is most likely a mistake, where it stands, and still calls the registry good', async () => {
    const path = scratchFile(`apiVersion: cuj-gate/v1
defaults: {}
sources:
  chat: { total: "sum:trace.grpc.server.hits{{selector}}.as_count()", bad: "sum:trace.grpc.server.errors{{selector}}.as_count()", groupBy: resource_name }
services:
  talk: { env: p, operation: grpc.server, canary: "version:{version}" }
  said: { env: p, source: chat, canary: "version:{version}" }
  shop:
    env: p
    operation: htp.request
    canary: "rollouts-pod-template-hash:{hash}"
  quick: { env: p, operation: grpc.server, canary: "version:{version}" }
  web: { env: p, operation: express.request, canary: "version:{version}" }
cujs:
  - { name: talk, owner: a, slo: { availability: 99.9 }, service: talk, endpoints: [{ resource: chat.talk/say }] }
  - { name: said, owner: a, slo: { availability: 99.9 }, service: said, endpoints: [{ resource: chat.talk/say }] }
  - { name: buy, owner: a, slo: { availability: 99.9 }, service: shop, endpoints: [POST /buy, POST /v1/graphql] }
  - { name: item, owner: a, slo: { availability: 99.9 }, service: web, endpoints: ["GET /items/{id}"] }
  - { name: quick, owner: a, service: quick, slo: { latency: 99 }, latencyMs: 9, endpoints: [{ resource: chat.talk/hear }] }
`);
    const { code, stdout } = await cujGate('validate', path);
    expect(code).toBe(0);
    const lines = stdout.replaceAll(path, 'cujs.yaml').split('\n');
    expect(lines[0]).toMatch(/^ok: 5 CUJs/);
    expect(lines.slice(1, -1).filter((_, i) => i % 2 === 0)).toEqual([
      expect.stringMatching(/^cujs\.yaml:6:30: warning: .*gRPC.*\(no-http-status\)$/),
      expect.stringMatching(/^cujs\.yaml:10:16: warning: .*"htp\.request".*\(operation-misspelt\)$/),
      expect.stringMatching(/^cujs\.yaml:11:13: warning: .*rollouts-pod-template-hash.*\(label-is-no-tag\)$/),
      expect.stringMatching(/^cujs\.yaml:17:\d+: warning: "POST \/v1\/graphql".*\(graphql-over-http\)$/),
      expect.stringMatching(
        /^cujs\.yaml:18:\d+: warning: "GET \/items\/\{id\}".*\(routes-of-other-framework\)$/,
      ),
    ]);
    expect(
      lines
        .slice(1, -1)
        .filter((_, i) => i % 2 === 1)
        .every((line) => line.startsWith('  fix:   ')),
    ).toBe(true);
    const json = JSON.parse((await cujGate('validate', path, '--json')).stdout);
    expect(json).toMatchObject({ ok: true, problems: [] });
    expect(json.warnings).toHaveLength(5);
    expect(json.warnings[1]).toMatch(/:10:16: .*Did you mean http\.request\?.*\(operation-misspelt\)$/);
  });

  it('prints one JSON object for machines, good or bad', async () => {
    const good = await cujGate('validate', '--json', example);
    expect(JSON.parse(good.stdout)).toMatchObject({
      ok: true,
      digest: expect.stringMatching(/^sha256:/),
      files: [example],
      cujs: expect.arrayContaining(['signup', 'login']),
      services: ['member-api', 'matching-api', 'payment-api'],
      problems: [],
      warnings: [],
    });
    const path = scratchFile(goodText.replace('tier: 1', 'tier: 9'));
    const bad = await cujGate('validate', path, '--json');
    expect(bad.code).toBe(1);
    expect(JSON.parse(bad.stdout)).toEqual({
      ok: false,
      files: [path],
      problems: [
        {
          file: path,
          line: 41,
          column: 11,
          path: 'cujs[0].tier',
          rule: 'range',
          value: 9,
          message: 'cujs[0].tier must be at most 3',
          fix: expect.stringContaining('Use 3 or less.'),
        },
      ],
    });
  });

  it('takes a path that leads nowhere for misuse, on stderr', async () => {
    const { code, stdout, stderr } = await cujGate('validate', 'no/such/registry.yaml');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('there is no no/such/registry.yaml (no-such-file)');
  });

  it('takes no path at all for misuse', async () => {
    const { code, stderr } = await cujGate('validate');
    expect(code).toBe(2);
    expect(stderr).toContain('Give its path, or set CUJ_GATE_REGISTRY.');
  });

  it('takes the registry as the other commands do, by option or environment', async () => {
    for (const [argv, env] of [
      [['validate', '--registry', example], {}],
      [['validate'], { CUJ_GATE_REGISTRY: example }],
      [['validate', example], { CUJ_GATE_REGISTRY: 'nowhere.yaml' }],
    ] as const) {
      const { io, stdout } = capture({ env });
      expect(await run(argv, io)).toBe(0);
      expect(stdout()).toMatch(/^ok: 10 CUJs/);
    }
  });

  it('does not hand control characters of a file to the terminal', async () => {
    const { stdout } = await cujGate(
      'validate',
      scratchFile('apiVersion: "\\u001b[31mred\\u202e"\ncujs: []\n'),
    );
    expect(stdout).toContain('\\u001b[31mred\\u202e');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is what is tested.
    expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
  });
});

describe('validate --against', () => {
  const edited = (change: (text: string) => string) => scratchFile(change(goodText), 'new.yaml');
  const old = () => scratchFile(goodText, 'old.yaml');
  const renamed = (text: string) => text.replace('  - name: login\n', '  - name: sign-in\n');

  it('ends with 1 at what would break rollouts in flight, with line, column, rule and fix', async () => {
    const [before, after] = [old(), edited(renamed)];
    const { code, stdout, stderr } = await cujGate('validate', after, '--against', before);
    expect([code, stderr]).toEqual([1, '']);
    const line = goodText.split('\n').indexOf('  - name: login') + 1;
    const compared = stdout.replaceAll(before, 'old.yaml').split('\n');
    expect(compared.slice(compared.findIndex((one) => one.startsWith('old.yaml')))).toEqual([
      `old.yaml:${line}:5: breaks: the CUJ "login" is not in the registry any more, nor an alias: the gate refuses the question, and Argo aborts the rollout after enough Errors (cuj-removed)`,
      '  fix:   The CUJ "sign-in" has the same endpoints: add aliases: [login] to it.',
      '1 change would break rollouts in flight',
      '',
    ]);
  });

  it('ends with 0 where the old name is an alias, and notes it', async () => {
    const after = edited((text) =>
      renamed(text).replace('name: sign-in\n', 'name: sign-in\n    aliases: [login]\n'),
    );
    const { code, stdout } = await cujGate('validate', after, '--against', old());
    expect(code).toBe(0);
    expect(stdout).toMatch(/new\.yaml:\d+:5: note: "login" is an alias: .* \(cuj-renamed\)/);
    expect(stdout).toMatch(/ok: nothing would break rollouts in flight\n$/);
  });

  it('accepts what is allowed by rule and name, and only that', async () => {
    const [before, after] = [old(), edited(renamed)];
    const { code, stdout } = await cujGate(
      'validate',
      after,
      '--against',
      before,
      '--allow',
      'cuj-removed:login',
    );
    expect(code).toBe(0);
    expect(stdout).toContain('allowed: the CUJ "login" is not in the registry any more');
    const other = await cujGate('validate', after, '--against', before, '--allow', 'cuj-removed:signup');
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('matches no change') });
  });

  it('has the same for machines', async () => {
    const { code, stdout } = await cujGate('validate', edited(renamed), '--against', old(), '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      problems: [],
      against: {
        breaking: [
          { rule: 'cuj-removed', name: 'login', line: expect.any(Number), column: 5, path: 'cujs[0].name' },
        ],
        notes: [],
      },
    });
    const same = await cujGate('validate', old(), '--against', old(), '--json');
    expect(JSON.parse(same.stdout)).toMatchObject({ ok: true, against: { breaking: [], notes: [] } });
  });

  it('reports the problems of the registry itself as always, and compares nothing with a broken one', async () => {
    const broken = edited((text) => text.replace('tier: 1', 'teir: 1'));
    const { code, stdout } = await cujGate('validate', broken, '--against', old());
    expect(code).toBe(1);
    expect(stdout).toContain('(unknown-key)');
    expect(stdout).not.toContain('rollouts in flight');
    const reversed = await cujGate('validate', old(), '--against', broken);
    expect(reversed.code).toBe(2);
    expect(reversed.stderr).toContain('(unknown-key)');
    expect(reversed.stderr).toContain('nothing was compared');
  });

  it('says what is wrong with its options', async () => {
    expect(await cujGate('validate', example, '--allow', 'cuj-removed:login')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--allow requires --against'),
    });
    expect(await cujGate('validate', example, '--against', '/nowhere.yaml')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no /nowhere.yaml'),
    });
    expect((await cujGate('validate', example, '--against', example, '--allow', 'login')).stderr).toContain(
      'RULE:NAME',
    );
  });
});
