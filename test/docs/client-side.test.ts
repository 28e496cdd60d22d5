import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadRegistries } from '../../src/registry-files/load.ts';
import { scratchFile } from '../registry-files/scratch.ts';

const page = readFileSync(new URL('../../docs/client-side.md', import.meta.url), 'utf8');
const [whole = '', ...parts] = [...page.matchAll(/^( *)```yaml\n([\s\S]*?)^ *```$/gm)].map(
  ([, indent = '', yaml = '']) => yaml.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
);

it('shows a registry that is good', async () => {
  expect(await loadRegistries(scratchFile(whole))).toMatchObject({ ok: true });
});

it('shows a client that is tagged by a server', async () => {
  expect(parts).toHaveLength(1);
  const server = '  member-api: { env: production, operation: http.request, canary: "version:{version}" }\n';
  const cujs = whole.slice(whole.indexOf('cujs:')).replace('service: shop\n', 'service: member-api\n');
  const registry = `apiVersion: cuj-gate/v1\ndefaults: { slo: { availability: 99.9 } }\n${parts[0]}${server}${cujs}`;
  expect(await loadRegistries(scratchFile(registry))).toMatchObject({ ok: true });
});
