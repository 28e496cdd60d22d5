import { expect, it } from 'vitest';
import type { BatchQuery, Snapshot } from '../../../src/domain/metrics/metrics-source.ts';
import { createTracedSource } from '../../../src/sources/decorators/tracing.ts';
import { openTelemetry } from '../../../src/tracing/open-telemetry.ts';
import { startReceiver } from '../../tracing/receiver.ts';
import { query, scoped, to } from '../datadog/synthetic.ts';

it('says how many buckets were asked for, how long they are, and how long those of the answer', async () => {
  const { url, spans } = await startReceiver();
  const tracing = openTelemetry({ url: `${url}/v1/traces` });
  const inner = {
    measure: async ({ fromMs, toMs }: BatchQuery): Promise<Snapshot> => ({
      fromMs,
      toMs,
      stepMs: 60_000,
      services: new Map(),
      queries: [],
    }),
  };
  const source = createTracedSource(inner, tracing, 'measure', 'internal');
  const past = query([scoped('api', [])]);
  await source.measure(past, new AbortController().signal);
  await source.measure({ ...past, stepMs: 10_000, toMs: to - 30_000 }, new AbortController().signal);
  await tracing.close();
  expect(spans.map(({ attributes }) => attributes)).toMatchObject([
    { 'cuj_gate.buckets': 4, 'cuj_gate.bucket_seconds': 60, 'cuj_gate.answer_bucket_seconds': 60 },
    { 'cuj_gate.buckets': 21, 'cuj_gate.bucket_seconds': 10, 'cuj_gate.answer_bucket_seconds': 60 },
  ]);
});
