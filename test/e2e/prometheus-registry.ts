import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import type { Loose } from './kube.ts';
import type { PrometheusOptions } from './prometheus.ts';

const opentelemetry = { total: 'preset:opentelemetry', bad: 'preset:opentelemetry' };

/**
 * Writes the registry that says for Prometheus what the given one says for Datadog: all services have a source, and `version` is the
 * label that has it. Objectives of latency are left out. Returns its path.
 */
export function writePrometheusRegistry(
  file: string,
  folder: string,
  { source = opentelemetry, versionLabel = 'service_version' }: PrometheusOptions,
): string {
  const written = path.join(folder, `prometheus-${path.basename(file)}`);
  if (statSync(file).isFile())
    writeFileSync(written, translated(readFileSync(file, 'utf8'), versionLabel, source));
  else {
    mkdirSync(written, { recursive: true });
    for (const [i, name] of readdirSync(file).sort().entries())
      writeFileSync(
        path.join(written, name),
        // Files are merged: the source is in one of them.
        translated(readFileSync(path.join(file, name), 'utf8'), versionLabel, i === 0 ? source : undefined),
      );
  }
  return written;
}

function translated(text: string, versionLabel: string, source: PrometheusOptions['source']): string {
  const document = parse(text);
  if (source !== undefined) document.sources = { requests: source };
  for (const service of Object.values<Loose>(document.services)) {
    // Clients are Datadog's.
    if (service.application !== undefined) continue;
    delete service.operation;
    service.source = 'requests';
    for (const side of ['canary', 'stable'])
      if (service[side] !== undefined)
        service[side] = service[side].replaceAll(/\bversion:/g, `${versionLabel}:`);
  }
  delete document.defaults?.slo?.latency;
  for (const cuj of document.cujs) {
    delete cuj.slo?.latency;
    delete cuj.latencyMs;
    if (Array.isArray(cuj.endpoints)) for (const endpoint of cuj.endpoints) delete endpoint.latencyMs;
  }
  return stringify(document);
}
