import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Datadog } from './datadog.ts';
import { cujGate } from './gate.ts';
import type { ScenarioContext } from './scenario.ts';

/**
 * Lets Datadog make the metrics of clients and spans that `generate terraform` describes, as if it was applied. Returns the names of the files
 * that have such metrics, sorted.
 */
export async function defineGeneratedMetrics(
  context: ScenarioContext,
  registry: string,
  { rum, spansMetrics }: Datadog,
): Promise<string[]> {
  const made = path.join(context.dir, 'made');
  await cujGate(context, ['generate', 'terraform', '--registry', registry, '--out', made]);
  const folder = path.join(made, 'terraform');
  const files = readdirSync(folder).filter((file) => /^(client|spans)-/.test(file));
  for (const file of files) {
    const { resource } = JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
    for (const metric of Object.values(resource.datadog_rum_metric ?? {})) rum.define(metric as never);
    for (const metric of Object.values(resource.datadog_spans_metric ?? {}))
      spansMetrics.define(metric as never);
  }
  return files.sort();
}
