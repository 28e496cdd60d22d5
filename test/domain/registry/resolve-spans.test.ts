import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';
import { prometheusDialect } from '../../../src/sources/prometheus/query/dialect.ts';
import type { Loose } from '../../generate/example.ts';

function findings(change: (document: Loose) => void, dialect = datadogDialect): string[] {
  const document: Loose = parse(readFileSync('test/testdata/spans-registry.yaml', 'utf8'));
  change(document);
  const resolution = resolveRegistry([{ file: 'cujs.yaml', document }], 'sha256:0', { dialect });
  return resolution.ok ? [] : resolution.findings.map(({ path, rule }) => `${path.join('.')} ${rule}`);
}

describe('a service whose source is spans', () => {
  it('has an operation, failures as definitions say, and endpoints', () =>
    expect(findings(() => {})).toEqual([]));

  it.each<[string, (flags: Loose, document: Loose) => void]>([
    ['services.flags operation-missing', (flags) => delete flags.operation],
    // It would be applied to what is a sample already.
    ['services.flags.sampleRate sample-rate-with-spans', (flags) => (flags.sampleRate = 0.01)],
    // The metrics are made of one service in one env: there is nothing to find.
    ['services.flags.canary spans-of-other-scope', (flags) => (flags.canary = 'service:flags-canary')],
    ['services.flags.stable spans-of-other-scope', (flags) => (flags.stable = 'env:{env}')],
    ['services.flags.endpointTag endpoint-tag-reserved', (flags) => (flags.endpointTag = 'service')],
    [
      'services.web.endpointTag endpoint-tag-without-spans',
      (flags, of) => (of.services.web = { ...flags, source: 'trace', endpointTag: 'x' }),
    ],
    [
      'services.flags_x spans-of-same-name',
      (flags, of) => (of.services = { 'flags-x': flags, flags_x: flags, ...of.services }),
    ],
    [
      'sources.spans reserved-source',
      (_, of) =>
        (of.sources = {
          spans: { total: 'sum:a{{selector}}.as_count()', bad: 'sum:b{{selector}}.as_count()' },
        }),
    ],
    [
      'cujs.0.latencyMs latency-on-template',
      (_, of) => Object.assign(of.cujs[0], { latencyMs: 300, slo: { latency: 99, availability: 99 } }),
    ],
  ])('is refused: %s', (finding, change) => {
    expect(findings((of) => change(of.services.flags, of))).toContain(finding);
  });

  it('is refused where no backend makes metrics of spans', () => {
    expect(findings(() => {}, prometheusDialect)).toContain('services.flags.source spans-unsupported');
  });
});
