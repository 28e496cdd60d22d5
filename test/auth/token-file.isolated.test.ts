import * as crypto from 'node:crypto';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { readTokens } from '../../src/auth/token-file.ts';
import { FilesRefused } from '../../src/files/watched-files.ts';

vi.mock('node:crypto', async (original) => {
  const real = await original<typeof crypto>();
  return { ...real, timingSafeEqual: vi.fn(real.timingSafeEqual) };
});
afterEach(() => vi.mocked(crypto.timingSafeEqual).mockClear());

const read = (text: string) => readTokens('tokens', Buffer.from(text));
const one = 'Zm9yLXRlc3RzLW9ubHktMDE=';
const two = 'Zm9yLXRlc3RzLW9ubHktMDI=';
const three = 'Zm9yLXRlc3RzLW9ubHktMDM=';

function problemsOf(text: string): readonly string[] {
  try {
    read(text);
  } catch (error) {
    if (error instanceof FilesRefused) return error.problems;
    throw error;
  }
  return [];
}

describe('readTokens', () => {
  it('takes a token a line, labelled or not, between comments and empty lines', () => {
    const tokens = read(
      `\uFEFF# of the release team\r\n\r\nargo: ${one}\r\n${two}\n  ci.main :  ${three}  \n`,
    );
    expect(tokens.size).toBe(3);
    expect([one, two, three, 'another'].map((token) => tokens.labelOf(token))).toEqual([
      'argo',
      'token-2',
      'ci.main',
      undefined,
    ]);
  });

  it('lets two tokens have one label, as while one replaces the other', () => {
    const tokens = read(`argo: ${one}\nargo: ${two}\n`);
    expect([tokens.labelOf(one), tokens.labelOf(two)]).toEqual(['argo', 'argo']);
  });

  it.each([
    ['nothing', '', 'tokens contains no token'],
    ['comments only', '# a\n\n', 'tokens contains no token'],
    [
      'a short token',
      `argo: ${one}\nci: 123456789012345`,
      'tokens:2: the token has fewer than 16 characters',
    ],
    [
      'a label without its colon',
      'argo short',
      'tokens:1: the token contains a space: write one label: token',
    ],
    ['a label alone', 'argo:', 'tokens:1: the token has fewer than 16 characters'],
    ['a token with a space in it', 'argo: two words of a token', 'tokens:1: the token contains a space'],
    ['a token in quotes', `argo: "${one}"`, 'tokens:1: the token has an invalid character'],
    ['a label with a space', `the argo: ${one}`, 'tokens:1: the label before the colon is invalid'],
    ['no label before the colon', `: ${one}`, 'tokens:1: the label before the colon is invalid'],
    ['one token twice', `a: ${one}\nb: ${one}`, 'tokens:2: the token is the same as on line 1'],
    ['JSON', `{"argo": "${one}"}`, 'tokens:1: the label before the colon is invalid'],
  ])('refuses a file with %s', (_, text, problem) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  it('never shows a token, not even of a line that is wrong', () => {
    const secret = 'a-secret-that-must-not-show';
    const problems = problemsOf(`a: ${secret}\nb: ${secret}\nc: ${secret}!\n${secret} :x`);
    expect(problems).toHaveLength(3);
    expect(problems.join()).not.toContain(secret);
    expect(JSON.stringify(read(`a: ${secret}`))).not.toContain(secret);
  });

  it.each([
    ['the first', one],
    ['the last', three],
    ['one that differs in its last character', `${three.slice(0, -2)}A=`],
    ['one of another length', 'x'],
    ['an empty one', ''],
  ])('compares %s with every token, each in constant time over a digest', (_, token) => {
    const tokens = read([one, two, three].join('\n'));
    tokens.labelOf(token);
    const compared = vi.mocked(crypto.timingSafeEqual).mock.calls;
    expect(compared).toHaveLength(3);
    for (const [a, b] of compared) expect([a.byteLength, b.byteLength]).toEqual([32, 32]);
  });

  it('knows exactly the tokens of the file', () => {
    const token = fc.stringMatching(/^[A-Za-z0-9._~+/-]{16,40}={0,2}$/);
    fc.assert(
      fc.property(fc.uniqueArray(token, { minLength: 1, maxLength: 20 }), token, (all, other) => {
        const tokens = read(all.map((text, i) => `label-${i}: ${text}`).join('\n'));
        for (const [i, text] of all.entries()) expect(tokens.labelOf(text)).toBe(`label-${i}`);
        if (!all.includes(other)) expect(tokens.labelOf(other)).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  });
});
