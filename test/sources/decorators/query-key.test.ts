import { expect, it } from 'vitest';
import type { QueryBatch } from '../../../src/domain/registry/model.ts';
import { queryKey } from '../../../src/sources/decorators/query-key.ts';
import { registryOf } from '../../http/fixture.ts';

it('the same services in two clusters have two keys, so that no snapshot of one is taken for the other', () => {
  const [batch] = registryOf().batches as [QueryBatch];
  const key = (of: QueryBatch) =>
    queryKey({
      batch: of,
      canary: { terms: [{ key: 'version', value: 'v2' }] },
      stable: undefined,
      fromMs: 0,
      toMs: 60_000,
      stepMs: 60_000,
    });
  const keys = ['eu-1', 'us-1'].map((value) => key({ ...batch, tags: [{ key: 'cluster_name', value }] }));
  expect(new Set([key(batch), ...keys]).size).toBe(3);
});
