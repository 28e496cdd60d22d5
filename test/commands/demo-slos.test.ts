import { expect, it } from 'vitest';
import { plantSlos } from '../../src/commands/support/demo-slos.ts';
import { type SloDefinition, storeSlo } from '../../src/demo/datadog/slo.ts';
import type { Registry } from '../../src/domain/registry/model.ts';
import { exampleDocument, registryOf, smallRegistry } from '../generate/example.ts';

function planted(registry: Registry) {
  const slos: SloDefinition[] = [];
  plantSlos(
    {
      addSlo: (definition) => {
        slos.push(definition);
        return storeSlo(definition, 0);
      },
    },
    registry,
  );
  return slos;
}

it('creates an SLO for each SLI, with the name, tags, target and window that Terraform gives it', () => {
  const slos = planted(registryOf(exampleDocument()));
  expect(slos).toHaveLength(12);
  expect(slos.find(({ name }) => name === '[cuj-gate] login latency')).toMatchObject({
    tags: [
      'cuj:login',
      'env:production',
      'managed-by:cuj-gate',
      'owner:team-identity',
      'service:member-api',
      'tier:1',
    ],
    thresholds: [{ timeframe: '30d', target: 99 }],
  });
});

it('imports an SLO by its id, and reads the escapes of Terraform', () => {
  const description = ['costs $', '{n} or %', '{m}'].join('');
  const [slo] = planted(smallRegistry([{ name: 'buy', sloId: { availability: 'abc123' }, description }]));
  expect(slo?.id).toBe('abc123');
  expect(slo?.description).toContain(description);
});
