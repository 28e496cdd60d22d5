import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { queryAt } from '../../src/domain/registry/resolve-endpoints.ts';
import { loadRegistry } from '../../src/registry-files/load.ts';
import { scratchFile } from './scratch.ts';

const good = readFileSync(new URL('../testdata/registry/good.yaml', import.meta.url), 'utf8');
const long = 200_000;
/** Linear time takes some milliseconds, what took seconds was quadratic. */
const boundMs = 2_000;

async function problemsOf(entry: string) {
  const began = performance.now();
  const result = await loadRegistry(scratchFile(`${good}\n${entry}`));
  expect(performance.now() - began).toBeLessThan(boundMs);
  if (result.ok) throw new Error('it is good');
  return result.problems;
}

const cuj = (members: string) =>
  `  - { name: long, owner: t, service: auth, ${members.includes('endpoints') ? '' : 'endpoints: [GET /x], '}${members} }`;

// What only the first reading of a process does (the schema is compiled) is not what is timed.
beforeAll(() => loadRegistry(new URL('../testdata/registry/good.yaml', import.meta.url).pathname));

describe('a registry with a very long text', () => {
  it.each([
    ['a route', cuj(`endpoints: [GET /${'?'.repeat(long)}]`), 'endpoints[0]', 1000],
    ['a path', cuj(`endpoints: [{ method: GET, path: "/${'?'.repeat(long)}" }]`), 'endpoints[0].path', 1000],
    [
      'a name of a service',
      cuj(`endpoints: [{ service: ${'a'.repeat(long)}, method: GET, path: /x }]`),
      'endpoints[0].service',
      100,
    ],
    [
      'an action',
      cuj(`errorBudgetPolicy: [{ below: 0%, action: ${'a'.repeat(long)} }]`),
      'errorBudgetPolicy[0].action',
      2000,
    ],
  ])('says at once that %s is too long', async (_, entry, path, most) => {
    const problems = await problemsOf(entry);
    expect(problems).toContainEqual(
      expect.objectContaining({
        rule: 'range',
        path: expect.stringContaining(path),
        message: expect.stringContaining(`must have at most ${most} characters`),
      }),
    );
    expect(JSON.stringify(problems).length).toBeLessThan(10_000);
  });

  it.each([
    ['a key that nobody knows', `  - { ${'a'.repeat(long)}: 1 }`],
    ['a budget', cuj(`errorBudgetPolicy: [{ below: 0.${'1'.repeat(long)}x, action: a }]`)],
    ['a runbook', cuj(`runbook: https://${'/'.repeat(long)}`)],
    ['comments', `${'\n#\n'.repeat(long)}  - { name: 1 }`],
    ['blanks', `  - { name: ${' '.repeat(long)} "!" }`],
  ])('is refused in linear time: %s', async (_, entry) => {
    expect(JSON.stringify(await problemsOf(entry)).length).toBeLessThan(10_000);
  });
});

it('a query in a route is found in one pass', () => {
  const began = performance.now();
  expect(queryAt(`/${'?'.repeat(long)}`)).toBe(-1);
  expect(queryAt(`/${'?'.repeat(long)}=`)).toBe(1);
  expect(performance.now() - began).toBeLessThan(boundMs);
  expect(['/a?b=c', '/a?/b=c', '/a?/b?c=', '/a=b?', '/a?b?c=d', '/:id?'].map(queryAt)).toEqual([
    2, -1, 5, -1, 2, -1,
  ]);
});
