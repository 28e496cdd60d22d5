import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { seededRandom } from '../domain/judge/journey.ts';
import { scratchFile } from './scratch.ts';

/** Spoiled copies of the example: each is a registry, or problems that say where and what to do. Never an exception. */

const good = readFileSync(new URL('../../config/cujs.yaml', import.meta.url), 'utf8');
const inserts = [
  '\u0000',
  '\t',
  '\n',
  ': ',
  '- ',
  '{',
  '}',
  '[',
  ']',
  '&a ',
  '*a',
  '!!set ',
  '<<: ',
  '? ',
  '|',
  '"',
  "'",
  '#',
  '%YAML 1.2\n---\n',
  '\u202e',
  '\ufeff',
  '\ud83d\ude00',
  '\u0301',
  '\u2028',
  '__proto__: ',
  '99999999999999999999e999',
  '-.inf',
  '.nan',
  'null',
  '~',
  '{version}',
  '[[[[[[[[[[[[[[[[',
  'x'.repeat(3_000),
];

function mutant(draw: () => number): Buffer {
  const at = (text: string) => Math.floor(draw() * text.length);
  let text = good;
  for (let times = 1 + Math.floor(draw() * 4); times > 0; times -= 1) {
    const lines = text.split('\n');
    const line = Math.floor(draw() * lines.length);
    const place = at(text);
    switch (Math.floor(draw() * 6)) {
      case 0:
        text = text.slice(0, place) + inserts[Math.floor(draw() * inserts.length)] + text.slice(place);
        break;
      case 1:
        text = text.slice(0, place) + text.slice(place + 1 + Math.floor(draw() * 30));
        break;
      case 2:
        lines.splice(line, 0, lines[at(good) % lines.length] as string);
        text = lines.join('\n');
        break;
      case 3:
        lines[line] = `${' '.repeat(Math.floor(draw() * 5))}${lines[line]}`;
        text = lines.join('\n');
        break;
      case 4:
        lines.splice(line, 1);
        text = lines.join('\n');
        break;
      default:
        text = text.slice(0, place);
    }
  }
  const bytes = Buffer.from(text);
  if (draw() < 0.15 && bytes.length > 0) bytes[Math.floor(draw() * bytes.length)] = Math.floor(draw() * 256);
  return bytes;
}

it.each([1, 2, 3, 4])('a spoiled registry is explained or taken, and no more: seed %i', async (seed) => {
  const draw = seededRandom(seed);
  const file = scratchFile(good);
  let refused = 0;
  for (let i = 0; i < 75; i += 1) {
    const bytes = mutant(draw);
    writeFileSync(file, bytes);
    const result = await loadRegistry(file);
    const about = `mutant ${i}: ${JSON.stringify(result).slice(0, 500)}`;
    if (result.ok) {
      expect(result.registry.cujs.size, about).toBeGreaterThan(0);
      continue;
    }
    refused += 1;
    const lines = bytes.toString().split(/\r\n|[\n\r]/).length;
    expect(result.problems.length, about).toBeGreaterThan(0);
    for (const { file: where, line, column, message, fix, rule } of result.problems) {
      expect(where, about).toBe(file);
      expect(line, about).toBeGreaterThanOrEqual(1);
      expect(line, about).toBeLessThanOrEqual(lines + 1);
      expect(column, about).toBeGreaterThanOrEqual(1);
      for (const text of [message, fix, rule]) expect(text, about).toMatch(/\S/);
      expect(message.length, about).toBeLessThan(1_000);
    }
  }
  expect(refused).toBeGreaterThan(30);
});
