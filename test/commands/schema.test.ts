import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { run } from '../../src/cli.ts';
import { schemaText } from '../../src/commands/schema.ts';
import { checkStructure } from '../../src/registry-files/validate-schema.ts';
import { capture } from './io.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

it('schema prints what config/registry.schema.json holds', async () => {
  const { io, stdout } = capture();
  expect(await run(['schema'], io)).toBe(0);
  expect(
    stdout(),
    'config/registry.schema.json is old: npm run -s cuj-gate -- schema > config/registry.schema.json',
  ).toBe(read('../../config/registry.schema.json'));
});

it('the published schema and the check at load accept and refuse the same documents', async () => {
  const whole = new Ajv2020({ allErrors: true, strict: true, strictTypes: false }).compile(
    JSON.parse(schemaText()),
  );
  const good = parse(read('../testdata/registry/good.yaml')) as Record<string, unknown>;
  expect(whole(good)).toBe(true);

  /** Every place in the good example, to put something else there. */
  const places: (string | number)[][] = [];
  const visit = (value: unknown, path: (string | number)[]) => {
    places.push(path);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, below] of Object.entries(value))
      visit(below, [...path, Array.isArray(value) ? Number(key) : key]);
  };
  visit(good, []);
  const odd = fc.oneof(
    fc.constantFrom<unknown>(
      null,
      '',
      '*',
      'GET /x',
      [],
      {},
      0,
      1,
      99.5,
      101,
      '5m',
      'rollout',
      '50%',
      true,
      [{}],
      ['*'],
    ),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const change = fc.constantFrom('replace', 'remove', 'add');
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...places), odd, change, async (path, value, how) => {
      const document = spoil(structuredClone(good), path, value, how);
      const structure = await checkStructure('r.yaml', document);
      expect(structure.findings.length === 0).toBe(whole(document));
    }),
    { numRuns: 500 },
  );
});

function spoil(root: unknown, path: readonly (string | number)[], value: unknown, how: string): unknown {
  const last = path.at(-1);
  if (last === undefined) return how === 'add' ? { ...(root as object), extra: value } : value;
  let parent = root as Record<string | number, unknown>;
  for (const step of path.slice(0, -1)) parent = parent[step] as typeof parent;
  if (how === 'remove' && !Array.isArray(parent)) delete parent[last];
  else if (how === 'add' && !Array.isArray(parent)) parent.extra = value;
  else parent[last] = value;
  return root;
}
