import type { Reporter } from './findings.ts';
import { type Service, spansSource } from './model.ts';
import type { ServiceDocument } from './schema.ts';
import type { SelectorTemplate } from './selector.ts';
import type { SourceDialect } from './source-dialect.ts';

/** Reports what a service with the source `spans` cannot have, and what only such a service has. */
export function checkSpans(
  name: string,
  { endpointTag, sampleRate, canary: writtenCanary, stable: writtenStable }: ServiceDocument,
  source: string,
  [canary, stable]: readonly [SelectorTemplate | undefined, SelectorTemplate | undefined],
  dialect: SourceDialect,
  reporter: Reporter,
): void {
  if (source !== spansSource) {
    if (endpointTag === undefined) return;
    reporter.key(
      ['endpointTag'],
      'endpoint-tag-without-spans',
      endpointTag,
      `the service "${name}" has an endpointTag, and only the source spans tells endpoints apart by one`,
      'Write source: spans, or remove endpointTag.',
    );
    return;
  }
  if (dialect.countsSpans !== true) {
    reporter.value(
      ['source'],
      'spans-unsupported',
      source,
      `the service "${name}" is measured by its spans, of which ${dialect.backend} makes no metrics`,
      'Use another source, or measure with a backend that makes metrics of spans.',
    );
  }
  if (endpointTag !== undefined && ['env', 'service'].includes(endpointTag)) {
    reporter.value(
      ['endpointTag'],
      'endpoint-tag-reserved',
      endpointTag,
      `the tag "${endpointTag}" is the same on all spans of the service`,
      'Name a tag that tells its endpoints apart, or remove it: then the resource of the span does.',
    );
  }
  if (sampleRate !== undefined && sampleRate !== 1) {
    reporter.key(
      ['sampleRate'],
      'sample-rate-with-spans',
      sampleRate,
      `the service "${name}" is measured by the spans that ${dialect.backend} has, so its counts are samples already`,
      'Remove sampleRate: it would be applied twice.',
    );
  }
  for (const [side, selector, written] of [
    ['canary', canary, writtenCanary],
    ['stable', stable, writtenStable],
  ] as const) {
    const key = selector?.terms.map((term) => term.key).find((one) => one === 'service' || one === 'env');
    if (key === undefined) continue;
    reporter.value(
      [side],
      'spans-of-other-scope',
      written,
      `the ${side} selector names another ${key}, and the metrics of the source spans are made of one service in one env`,
      'Select by another tag, or use the source trace: its metrics have all services and envs.',
    );
  }
}

/** Reports two services whose metrics would have the same name. */
export function checkSpanNames(
  name: string,
  services: ReadonlyMap<string, Service | undefined>,
  reporter: Reporter,
): void {
  if (services.get(name)?.spans === undefined) return;
  for (const [other, service] of services) {
    if (other === name) return;
    if (service?.spans === undefined || wordOf(other) !== wordOf(name)) continue;
    reporter.key(
      [],
      'spans-of-same-name',
      name,
      `metrics are made of the spans of "${other}" and "${name}", and both would have the same name`,
      'Names of metrics have only letters, digits and _. Measure one of the two by the source trace.',
    );
    return;
  }
}

function wordOf(name: string): string {
  return name.replace(/[^a-z0-9]/g, '_');
}
