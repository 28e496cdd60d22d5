import { fileURLToPath } from 'node:url';
import { createDemoWorld, type DemoWorld } from '../../demo/play.ts';
import { loadRegistry } from '../../registry-files/load.ts';
import { plantSlos } from './demo-slos.ts';

/** The registry of the demo: the example that ships with the gate. */
export const exampleRegistry = fileURLToPath(new URL('../../../config/cujs.yaml', import.meta.url));

/** The demo's Datadog with the SLOs of the example: the gate reads error budgets as soon as it starts. */
export async function openExample(
  seed: number,
  keys: { readonly apiKey: string; readonly appKey: string },
): Promise<DemoWorld> {
  const loaded = await loadRegistry(exampleRegistry);
  if (!loaded.ok) throw new Error(`${exampleRegistry}: ${loaded.problems[0]?.message}`);
  const world = await createDemoWorld({ seed, ...keys, registry: loaded.registry });
  plantSlos(world.datadog, loaded.registry);
  return world;
}
