import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { openExample } from '../../src/commands/support/demo-example.ts';
import { randomKeys } from '../../src/commands/support/demo-gate.ts';
import { play } from '../../src/demo/play.ts';
import type { BudgetReport } from '../../src/report/report.ts';
import { capture } from './io.ts';

const page = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

describe('demo --once', () => {
  const streams = capture();
  let code: number;

  beforeAll(async () => {
    code = await run(['demo', '--once'], streams.io);
  });

  it('ends well once the canary is caught', () => {
    expect(streams.stderr()).toBe('');
    expect(code).toBe(0);
  });

  it('shows the total error rate as fine', () => {
    expect(streams.stdout()).toMatch(
      /What the total error rate says {3}fine: 0\.0[0-4]\d*% of \d+ requests failed/,
    );
  });

  it('shows the CUJ as failed and names the endpoint', () => {
    expect(streams.stdout()).toMatch(
      /What cuj-gate says +FAIL signup \(slo_violated\): .*worst POST \/api\/v1\/signup\/phone\/verify/,
    );
  });

  it('fails no other CUJ', () => {
    expect(streams.stdout().match(/ {2}x \S+|^.*CUJs {2}x \S+/gm)).toEqual(['       CUJs  x signup']);
  });

  it('takes no seed that is no number', async () => {
    const misused = capture();
    expect(await run(['demo', '--seed', 'abc'], misused.io)).toBe(2);
    expect(misused.stderr()).toContain('A seed is a whole number');
  });

  it('folds its lines between words where the terminal is narrow, and says the same', async () => {
    const narrow = capture({ isTTY: true, columns: 60 });
    await run(['demo', '--once'], narrow.io);
    const text = stripVTControlCharacters(narrow.stdout());
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(text).not.toMatch(/[+?x]$/m);
    const words = (said: string) => said.split(/\s+/);
    expect(words(text)).toEqual(words(streams.stdout()));
  });

  it('prints what the README shows', () => {
    const [, shown] = /The demo prints:\n\n```text\n([\s\S]*?)```/m.exec(page('README.md')) ?? [];
    expect(shown).toContain('What cuj-gate says');
    expect(streams.stdout()).toContain(shown);
  });

  it('gives the verdict that docs/verdicts.md explains and docs/http.md quotes', () => {
    const summary = /FAIL signup .*/.exec(streams.stdout())?.[0] ?? '';
    const [, explained] =
      /\*\*How to read a summary\.\*\*[\s\S]*?```text\n([\s\S]*?)\n```/.exec(page('docs/verdicts.md')) ?? [];
    expect(explained?.replaceAll('\n', ' ')).toBe(summary);
    const [, quoted] = /begins with the `summary`: `(FAIL [^`]*) …`/.exec(page('docs/http.md')) ?? [];
    expect(quoted).toBe(summary.slice(0, summary.indexOf(' (97')));
  });

  it('writes no colour where there is no terminal', () => {
    expect(streams.stdout()).not.toContain('\u001b[');
  });
});

describe('demo', () => {
  it('says first what it does, before the traffic is simulated', async () => {
    const stdout = {
      write: (line: string) => {
        throw new Error(line);
      },
    };
    // Nothing is open yet that would have to be closed.
    await expect(run(['demo', '--once'], { ...capture().io, stdout })).rejects.toThrow(
      /^Simulating a month of traffic first\./,
    );
  });
});

describe('report --demo', () => {
  const args = ['report', '--demo'];

  it('prints what docs/error-budget.md shows', async () => {
    const streams = capture();
    expect(await run(args, streams.io)).toBe(0);
    const [, shown] =
      /report --demo\n```\n[\s\S]*?```text\n([\s\S]*?)\n\n…\n```/.exec(page('docs/error-budget.md')) ?? [];
    expect(shown).toContain('due     search');
    expect(streams.stdout()).toContain(shown);
  });

  it('knows every budget: one is overspent, one is low, and no rule changes', async () => {
    const streams = capture();
    await run([...args, '--json'], streams.io);
    const { cujs } = JSON.parse(streams.stdout()) as BudgetReport;
    expect(cujs).toHaveLength(10);
    const [search, signup, ...others] = cujs;
    expect(search).toMatchObject({ cuj: 'search', state: 'due' });
    expect(search?.due).toMatchObject([
      { below: 0, gate: null },
      { below: 0.25, gate: null },
    ]);
    expect(search?.remaining).toBeLessThan(-0.1);
    expect(signup).toMatchObject({ cuj: 'signup', state: 'due', due: [{ below: 0.5, gate: null }] });
    expect(signup?.remaining).toBeGreaterThan(0.05);
    expect(signup?.remaining).toBeLessThan(0.25);
    expect(new Set(others.map(({ state }) => state))).toEqual(new Set(['fine']));
    // One recovers, the other gets worse.
    expect(search?.slis[0]?.recentBurn).toBeLessThan(0.5);
    expect(signup?.slis[0]?.recentBurn).toBeGreaterThan(2);
  });

  it("reports a registry of one's own, and its problems", async () => {
    const streams = capture();
    const odd = new URL('../demo/odd-registry.yaml', import.meta.url).pathname;
    expect(await run([...args, '--json', '--registry', odd], streams.io)).toBe(0);
    const { cujs } = JSON.parse(streams.stdout()) as BudgetReport;
    const unknown = cujs.filter(({ state }) => state === 'unknown');
    expect(unknown.map(({ cuj }) => cuj)).toEqual(['mesh']);
    expect(cujs.filter(({ remaining }) => remaining !== null && remaining < 0)).toHaveLength(1);

    const invalid = capture();
    expect(await run([...args, '--registry', '/nowhere.yaml'], invalid.io)).toBe(2);
    expect(invalid.stderr()).toContain('/nowhere.yaml');
  });
});

describe('play', () => {
  it('lets traffic come in buckets of 10 s', async () => {
    const keys = randomKeys();
    const world = await openExample(1, keys);
    try {
      const startMs = world.clock.nowMs;
      const seen: number[] = [];
      const pause = async () => void seen.push((world.clock.nowMs - startMs) / 1000);
      const { value } = await play(world, 'http://127.0.0.1:1', [], keys, pause).next();
      expect(seen).toEqual([0, 10, 20, 30, 40, 50]);
      expect((value?.atMs ?? 0) - startMs).toBe(60_000);
    } finally {
      await world.datadog.stop();
    }
  });
});
