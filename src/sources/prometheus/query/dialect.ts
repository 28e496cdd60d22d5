import { dayMs } from '../../../domain/duration.ts';
import type { SourceDialect } from '../../../domain/registry/source-dialect.ts';
import { failureProblem } from './counted-failures.ts';
import { durationExample } from './duration-source.ts';
import { isLabelName } from './label-matchers.ts';
import { recordedThresholds } from './native-boundaries.ts';
import { counterSourceOf, parseCounterSource } from './source-template.ts';

const maxTagValueLength = 1_000;
const likelyReplacement = { kind: 'no-status' } as const;

/** Prometheus, and what speaks its API, as the registry's resolution sees it. */
export const prometheusDialect: SourceDialect = {
  backend: 'Prometheus',
  versionTag: 'the label that the canary selector names',
  addressSetting: 'CUJ_GATE_PROMETHEUS_URL',
  words: {
    tag: 'label',
    tags: 'labels',
    tagKey: 'label name',
    tagged: 'series',
    env: 'the name of its environment',
    foundBy: 'the name of the service and the matchers of its source',
    dataFrom: 'the targets of these services in Prometheus (up), and remote write where there is one',
    namedIn: 'the labels of its series',
    endpointBy: 'the labels of groupBy',
    statusFix:
      'If only the new version lacks the label, hold the release and fix what sets it, such as its metrics library. If no version has it, tell failures by another label in bad of the source. cuj-gate doctor names the labels that are there.',
  },
  parseSource: parseCounterSource,
  failureProblem,
  isTagKey: isLabelName,
  tagKeyCharacters: 'A-Z a-z 0-9 _',
  storedTagValue: (raw) => raw,
  isSafeTagValue: (value) =>
    value.length <= maxTagValueLength && /^[A-Za-z0-9 _:./{}<>()[\]*@~+=%$,&!?^|-]+$/.test(value),
  tagValueCharacters: 'A-Z a-z 0-9 space _ - : . / { } < > ( ) [ ] * @ ~ + = % $ , & ! ? ^ |',
  maxTagValueLength,
  endpointTag: 'label of groupBy',
  endpointKey: (method, path) => `${method} ${path}`,
  // Endpoints stand in no query: all of a service come back.
  maxEndpointListLength: 20_000,
  // A question reads the samples of its own services alone, and samples that one service lacks stand in no other's way.
  maxBatchServices: 1,
  addDurations: `Add the histogram of durations to the source, such as duration: ${durationExample} (docs/prometheus-reference.md).`,
  // Prometheus keeps 15 days by default; Thanos, Mimir and VictoriaMetrics mostly keep more. What is gone is no data.
  retentionMs: 400 * dayMs,
  otherProducts: ['thanos', 'mimir', 'cortex', 'victoriametrics'],
  thresholdMistake: (source, latencyMs) => {
    const { durations } = counterSourceOf(source);
    const exact = durations === undefined ? [latencyMs] : recordedThresholds(latencyMs, durations);
    if (durations === undefined || exact.includes(latencyMs)) return undefined;
    return {
      message: `${durations.selector.metric} is a native histogram, which most likely has no bucket that ends at ${latencyMs} ms: requests of the bucket around it are neither fast nor slow, and prometheus-slos makes no rules of latency`,
      fix: `Set latencyMs to ${exact.join(' or ')}, or name a classic histogram (…_bucket) in duration of the source "${source.name}". If it has custom buckets and one ends there, verdicts are not affected.`,
    };
  },
  likelyMistakes: ({ operation }) =>
    operation === undefined
      ? []
      : [
          {
            field: 'operation',
            rule: 'no-trace-metrics',
            message: `Prometheus has no trace metrics: the operation "${operation}" cannot be measured, and every verdict is inconclusive (source_rejected)`,
            fix: 'Define a source, such as total: preset:istio, and name it in the service in place of operation: see docs/prometheus-reference.md.',
            actual: likelyReplacement,
          },
        ],
};
