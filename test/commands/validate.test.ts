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
        '  fix:   Did you mean tier? Known here: name, title, description, owner, runbook, tier, service, mode, slo, sloId, gate, latencyMs, endpoints, errorBudgetPolicy.',
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

  it('prints one JSON object for machines, good or bad', async () => {
    const good = await cujGate('validate', '--json', example);
    expect(JSON.parse(good.stdout)).toMatchObject({
      ok: true,
      digest: expect.stringMatching(/^sha256:/),
      files: [example],
      cujs: expect.arrayContaining(['signup', 'login']),
      services: ['member-api', 'matching-api', 'payment-api'],
      problems: [],
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
