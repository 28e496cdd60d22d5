import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../src/domain/registry/schema.ts';
import { dialectOptions } from '../../src/sources/dialects/dialect-options.ts';

const pages = ['prometheus', 'prometheus-reference', 'mixed-backends'];
const text = pages
  .map((page) => readFileSync(new URL(`../../docs/${page}.md`, import.meta.url), 'utf8'))
  .join('\n');
const blocks = [...text.matchAll(/^( *)```yaml\n([\s\S]*?)^ *```$/gm)]
  .map(([, , yaml]) => parse(yaml as string) as RegistryDocument)
  .filter(({ sources }) => sources !== undefined);

it('shows registries and sources', () => {
  expect(blocks).toHaveLength(8);
});

it.each(blocks.map((block, i) => [i + 1, block] as const))('example %d is good', (_, block) => {
  const [source = ''] = Object.keys(block.sources ?? {});
  const service = { env: 'production', source, canary: 'version:{version}' };
  const rest: Partial<RegistryDocument> = {
    defaults: { slo: { availability: 99.9 } },
    services: { shop: service },
    cujs: [{ name: 'buy', owner: 'team', service: 'shop', endpoints: ['POST /orders/{id}'] }],
  };
  const document = { ...rest, ...block, apiVersion: 'cuj-gate/v1' as const };
  const isMixed = Object.values(block.sources ?? {}).some(({ backend }) => backend !== undefined);
  const resolution = resolveRegistry(
    [{ file: 'cujs.yaml', document }],
    `sha256:${'ab'.repeat(32)}`,
    dialectOptions(isMixed ? 'datadog' : 'prometheus'),
  );
  expect(resolution).toMatchObject({ ok: true, warnings: [] });
});
