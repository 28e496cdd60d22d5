import { expect, it } from 'vitest';
import type { Registry } from '../../../src/domain/registry/model.ts';
import { loadRegistry } from '../../../src/registry-files/load.ts';

async function load(name: string, backend: 'datadog' | 'prometheus') {
  const loaded = await loadRegistry(new URL(`../../../config/${name}`, import.meta.url).pathname, {
    backend,
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded;
}

/** What both backends can measure. */
const journeys = ({ cujs }: Registry) =>
  [...cujs.values()].map(({ name, title, owner, mode, objectives, endpoints, errorBudgetPolicy }) => ({
    ...{ name, title, owner, mode, errorBudgetPolicy },
    availability: objectives.availability?.budget,
    endpoints: endpoints.map(({ service, label }) => `${service} ${label}`),
  }));

it('the example for Prometheus has the journeys of the example, without a warning', async () => {
  const [datadog, prometheus] = await Promise.all([
    load('cujs.yaml', 'datadog'),
    load('cujs-prometheus.yaml', 'prometheus'),
  ]);
  expect(prometheus.warnings).toEqual([]);
  expect(journeys(prometheus.registry)).toEqual(journeys(datadog.registry));
});
