import type { Registry } from '../../src/domain/registry/model.ts';
import { gateTerraform } from '../../src/generate/datadog/gate-terraform.ts';

/** All queries of the monitors and of the dashboard of the gate. */
export function gateQueries(registry: Registry): string[] {
  return gateTerraform(registry, { notify: [] }).flatMap(({ text }) =>
    [...text.matchAll(/"query": ("(?:[^"\\]|\\.)*")/g)].map(
      ([, query = '""']) => JSON.parse(query) as string,
    ),
  );
}
