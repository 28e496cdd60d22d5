import { stripVTControlCharacters } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/cli.ts';
import { capture } from './io.ts';

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

  it('writes no colour where there is no terminal', () => {
    expect(streams.stdout()).not.toContain('\u001b[');
  });
});
