import { expect, it } from 'vitest';
import type { QueryBatch } from '../../../src/domain/registry/model.ts';
import { queryKey } from '../../../src/sources/decorators/query-key.ts';
import { registryOf } from '../../http/fixture.ts';

const [batch] = registryOf().batches as [QueryBatch];

function keyOf(of: QueryBatch): string {
  return queryKey({
    batch: of,
    canary: { terms: [{ key: 'version', value: 'v2' }] },
    stable: undefined,
    fromMs: 0,
    toMs: 60_000,
    stepMs: 60_000,
  });
}

it('the same services in two clusters have two keys, so that no snapshot of one is taken for the other', () => {
  const keys = ['eu-1', 'us-1'].map((value) => keyOf({ ...batch, tags: [{ key: 'cluster_name', value }] }));
  expect(new Set([keyOf(batch), ...keys]).size).toBe(3);
});

it('a service that is judged as a whole has another key: a snapshot without that has no statuses of the whole', () => {
  const whole = batch.services.map((one) => ({ ...one, asWhole: !one.asWhole }));
  expect(keyOf({ ...batch, services: whole })).not.toBe(keyOf(batch));
});
