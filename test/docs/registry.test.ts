import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadRegistries } from '../../src/registry-files/load.ts';
import { scratchFile } from '../registry-files/scratch.ts';

const page = readFileSync(new URL('../../docs/registry.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, yaml]) => yaml as string);

it('shows whole registries', () => {
  expect(blocks).toHaveLength(6);
});

it.each(blocks.map((yaml, i) => [i + 1, yaml] as const))('example %d is a good registry', async (_, yaml) => {
  expect(await loadRegistries(scratchFile(yaml))).toMatchObject({ ok: true });
});
