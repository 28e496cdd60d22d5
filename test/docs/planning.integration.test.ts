import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { backtestCommand } from '../../src/commands/backtest.ts';
import type { Simulator } from '../../src/demo/datadog/simulator.ts';
import { capture } from '../commands/io.ts';
import { askedMs, openPastRollouts } from './past-rollouts.ts';

const root = path.join(import.meta.dirname, '../..');
const registry = path.join(root, 'config', 'cujs.yaml');
const page = readFileSync(path.join(root, 'docs', 'planning.md'), 'utf8');
const shown = [...page.matchAll(/^```text\n([\s\S]*?)^```$/gm)].map(([, text]) => text as string);

let datadog: Simulator;
let env: Readonly<Record<string, string>>;
beforeAll(async () => {
  ({ datadog, env } = await openPastRollouts());
}, 60_000);
afterAll(() => datadog.stop());

async function plan(weight: string): Promise<string> {
  const { io, stdout } = capture({ env, now: () => askedMs });
  await run(['plan', '--registry', registry, '--days', '2', '--weight', weight], io);
  return stdout();
}

async function backtest(): Promise<string> {
  const { io, stdout } = capture({ env, now: () => askedMs });
  const command = backtestCommand(
    io,
    () => {},
    async () => {},
  );
  const bad = ['--bad', 'v1.40.0', '--bad', 'v1.42.0'];
  const args = ['--registry', registry, '--days', '2', '--service', 'member-api', ...bad];
  await command.parseAsync(args, { from: 'user' });
  return stdout();
}

describe('docs/planning.md', () => {
  it('has three outputs', () => {
    expect(shown).toHaveLength(3);
  });

  it('shows what plan prints', async () => {
    // The page leaves rows out. No line is there twice but the empty one.
    const lines = (shown[0] as string).split('\n').filter((line) => line !== '');
    const output = await plan('25');
    expect(
      output.split('\n').filter((line) => lines.includes(line)),
      output,
    ).toEqual(lines);
  });

  it('shows what plan says would help at a weight of 1%', async () => {
    expect(await plan('1')).toContain(shown[1]);
  });

  it('shows what backtest prints', async () => {
    const output = await backtest();
    // The page leaves two rollouts out.
    for (const paragraph of (shown[2] as string).trimEnd().split('\n\n')) expect(output).toContain(paragraph);
  }, 60_000);
});
