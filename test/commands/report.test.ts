import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { type Simulator, startDatadogSimulator } from '../../src/demo/datadog/simulator.ts';
import { hits, registryOf, shopDocument } from '../doctor/clinic.ts';
import { plantSlo } from '../doctor/slo-of-cuj.ts';
import { capture, someTime } from './io.ts';

let folder: string;
let simulator: Simulator;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'report-'));
  simulator = await startDatadogSimulator({ now: () => someTime });
});
afterEach(async () => {
  await simulator.stop();
  await rm(folder, { recursive: true, force: true });
});

const document = (() => {
  const shop = shopDocument();
  Object.assign(shop.cujs?.[0] as object, {
    owner: 'team-orders',
    errorBudgetPolicy: [{ below: '50%', action: 'Reliability work first', gate: 'strict' }],
  });
  return shop;
})();

async function report(args: string[] = [], isTTY = false) {
  const path = join(folder, 'cujs.json');
  await writeFile(path, JSON.stringify(document));
  const env = { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40), DD_URL: simulator.url };
  const { io, stdout, stderr } = capture({ env, isTTY });
  const code = await run(['report', '--registry', path, ...args], io);
  return { code, stdout: stdout(), stderr: stderr() };
}

function spend(): void {
  plantSlo(simulator, registryOf(document), 'buy');
  const event = { ...hits, resource: 'POST /orders', version: 'v1', at: someTime - 3 * 86_400_000 };
  simulator.store.recordRequests({ ...event, statusCode: 200, count: 99_960 });
  simulator.store.recordRequests({ ...event, statusCode: 500, count: 40 });
}

describe('cuj-gate report', () => {
  it('does not let the words of a registry steer the terminal', async () => {
    spend();
    const buy = document.cujs?.[0] as { owner: string; errorBudgetPolicy: { action: string }[] };
    const { owner } = buy;
    buy.owner = 'team\u001b[2J\u009b2J\u202e';
    try {
      const { stdout } = await report([], true);
      expect(stdout).toContain('team\\u001b[2J\\u009b2J\\u202e, tier 2');
      expect(stdout).toContain('\u001b[1mbuy\u001b[22m');
      const { stderr } = await report(['--owner', 'nobody']);
      expect(stderr).toContain('team\\u001b[2J\\u009b2J\\u202e');
    } finally {
      buy.owner = owner;
    }
  });

  it('prints every CUJ, what is due and what nobody knows, and ends with 0', async () => {
    spend();
    const { code, stdout } = await report();
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^due {5}buy {2}team-orders, tier 2\n {8}availability 99\.95%: 99\.96%, 20% of the budget left over 30d, burned at 0\.8x; 0\.8x in the last 7 days\n {8}due: Reliability work first \(rollouts are judged by the rule strict\)\n/,
    );
    expect(stdout).toMatch(
      /unknown search.*\n {8}availability 99\.95%: unknown; Datadog has no SLO called "\[cuj-gate\] search availability"/,
    );
    expect(stdout).toMatch(/1 with an action due, 1 unknown, 0 fine\n$/);
  });

  it('prints a page in Markdown and an object in JSON, of one owner where asked', async () => {
    spend();
    const page = await report(['--format', 'markdown', '--owner', 'team-orders']);
    expect(page.stdout).toContain('## Action due (1)');
    expect(page.stdout).not.toContain('search');
    const { stdout } = await report(['--json', '--owner', 'team-orders']);
    expect(JSON.parse(stdout)).toMatchObject({
      cujs: [
        { cuj: 'buy', state: 'due', due: [{ below: 0.5, action: 'Reliability work first', gate: 'strict' }] },
      ],
    });
  });

  it('names the owners where nobody has the name that was given', async () => {
    const { code, stderr } = await report(['--owner', 'team-order']);
    expect(code).toBe(2);
    expect(stderr).toContain('Owners: team-orders, team-shop.');
  });
});
