import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';

/**
 * Every regular expression in src takes linear time, or sees short texts only: a route of 200,000 characters once held
 * up an answer for nine seconds. Each is tried on long texts made of what it speaks about. Linear time is some hundredths
 * of a millisecond here and quadratic time over thirty milliseconds, so the bound needs no quiet machine.
 */

const src = fileURLToPath(new URL('../../src', import.meta.url));
const length = 10_000;
const boundMs = 20;

/** Patterns of texts that are short, with what bounds them. */
const bounded: Readonly<Record<string, string>> = {
  '/\\/+$/': 'URLs of settings and options, which the operator writes',
  '/\\/$/': 'the URL of the issuer',
  '/0+$/': 'a number with three decimals',
  '/\\.?0+$/': 'a number with twelve decimals',
  '/_+$/': 'cut at 200 characters before',
  '/-+$/': 'cut at the length of a name before, and runs are one',
  '/^-+|-+$/g': 'runs are one before',
  '/\\s*,\\s*|\\s+AND\\s+/i': 'selectors have at most 500 characters',
  '/\\s+AND\\s+/i': 'queries of sources have at most 2,000 characters',
  '/,(?![^()]*\\))/': 'queries of sources have at most 2,000 characters',
  '/\\s*([A-Za-z_][A-Za-z0-9_]*)\\s*(=~|!~|!=|=)\\s*(?:"((?:[^"\\\\\\n]|\\\\.)*)"|\'((?:[^\'\\\\\\n]|\\\\.)*)\')\\s*(,|\\})/y':
    'sticky; and queries of sources have at most 2,000 characters',
  '/(\\S+\\.cue):(\\d+):(\\d+)/g': 'cut at 2,000 characters before',
};

/** A literal behind a quote is a path. What is collected by mistake does no harm. */
function patternsOf(text: string): string[] {
  const literal = /(?<![/*\w.)\]}`'"])\/(?![/*\s])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[dgimsuvy]*/g;
  const code = text
    .split('\n')
    .filter((line) => !/^\s*(?:\/\/|\/?\*)/.test(line))
    .join('\n');
  return [...code.matchAll(literal)].map(([found]) => found);
}

function compiled(pattern: string): RegExp | undefined {
  const end = pattern.lastIndexOf('/');
  try {
    return new RegExp(pattern.slice(1, end), `${pattern.slice(end + 1).replace(/[gy]/g, '')}g`);
  } catch {
    return undefined;
  }
}

/** Words and characters that a pattern speaks about, and some of the classes that it may name. */
function tokensOf(pattern: string): string[] {
  const source = pattern.slice(1, pattern.lastIndexOf('/'));
  const plain = source.replace(/\\([sdwbSDWB])/g, ' ').replace(/\\(.)/g, '$1');
  const words = plain.match(/[A-Za-z]{2,}[.:]?/g) ?? [];
  const signs = plain.match(/[^A-Za-z0-9\s^$()]/g) ?? [];
  return [...new Set([...words.slice(0, 3), ...signs.slice(0, 6), 'a', '0', ' ', '\n'])];
}

function textsOf(pattern: string): string[] {
  const tokens = tokensOf(pattern);
  const pumps = [...tokens, ...tokens.flatMap((a) => tokens.map((b) => (a === b ? '' : a + b)))];
  const texts: string[] = [];
  for (const pump of new Set(pumps)) {
    if (pump === '') continue;
    const long = pump.repeat(Math.ceil(length / pump.length));
    texts.push(`${long}\n\0`);
  }
  return texts;
}

function timeOf(expression: RegExp, text: string): number {
  const began = performance.now();
  text.replace(expression, '');
  return performance.now() - began;
}

/** The first text on which a pattern is slow, in words; undefined where it is fast on all. */
function slowText(pattern: string, expression: RegExp): string | undefined {
  for (const text of textsOf(pattern)) {
    if (timeOf(expression, text) < boundMs) continue;
    // A pause of the machine is no property of the pattern.
    const best = Math.min(...[1, 2, 3].map(() => timeOf(expression, text)));
    if (best >= boundMs) return `on ${JSON.stringify(text.slice(0, 12))}... (${Math.round(best)} ms)`;
  }
  return undefined;
}

/** A pattern of exponential time would never end. */
function slowTextWithin(limitMs: number, pattern: string, expression: RegExp): string | undefined {
  try {
    return runInNewContext('run()', { run: () => slowText(pattern, expression) }, { timeout: limitMs });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    return `(more than ${limitMs} ms)`;
  }
}

it('a pattern of exponential time is found, and does not hold up the test', () => {
  expect(slowTextWithin(100, '/^(a+)+b/', /^(a+)+b/)).toBe('(more than 100 ms)');
});

it('every pattern in src takes linear time, or sees short texts only', () => {
  const patterns = new Map<string, string>();
  for (const file of readdirSync(src, { recursive: true }) as string[]) {
    // What is built or played with here sees nothing from outside.
    if (!file.endsWith('.ts') || /^(?:bundle|demo)\//.test(file)) continue;
    for (const pattern of patternsOf(readFileSync(join(src, file), 'utf8'))) patterns.set(pattern, file);
  }
  expect(patterns.size).toBeGreaterThan(180);
  const slow: string[] = [];
  for (const [pattern, file] of patterns) {
    const expression = compiled(pattern);
    if (expression === undefined || bounded[pattern] !== undefined) continue;
    const found = slowTextWithin(5_000, pattern, expression);
    if (found !== undefined) slow.push(`${file}: ${pattern} ${found}`);
  }
  expect(slow).toEqual([]);
  // One that is not there any more must not excuse the next of that name.
  expect(Object.keys(bounded).filter((pattern) => !patterns.has(pattern))).toEqual([]);
}, 120_000);
