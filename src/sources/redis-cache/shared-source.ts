import { createHash } from 'node:crypto';
import type {
  DescribeQueries,
  MetricsSource,
  ScopeQuery,
  Snapshot,
} from '../../domain/metrics/metrics-source.ts';
import { questionKey } from '../decorators/query-key.ts';
import type { SharedAnswers } from './shared-cache.ts';
import { readSnapshot, snapshotValue } from './snapshot-codec.ts';

/**
 * A MetricsSource that asks what no other replica has asked within `ttlMs`: to be put between the cache of this process
 * and the source itself. Throws what the inner source throws.
 */
export function createSharedSource(
  inner: MetricsSource,
  answers: SharedAnswers,
  options: { readonly ttlMs: number; readonly describe: DescribeQueries },
): MetricsSource {
  return {
    measure(query, signal) {
      return answers.once<Snapshot>(
        {
          name: nameOf(query, options.describe),
          ttlMs: options.ttlMs,
          ask: () => inner.measure(query, signal),
          write: snapshotValue,
          read: (value) => readSnapshot(value, query),
        },
        signal,
      );
    },
  };
}

/** The queries' own texts are part of it: a replica of another version that asks otherwise shares nothing with this one. */
function nameOf(query: ScopeQuery, describe: DescribeQueries): string {
  const content = JSON.stringify([
    questionKey(query),
    ...describe(query.batch, query.canary, query.stable).map(({ name, query: text }) => [name, text]),
  ]);
  return `snapshot:${createHash('sha256').update(content).digest('base64url')}`;
}
