import type { Simulator } from '../../src/demo/datadog/simulator.ts';
import type { Cuj, Registry } from '../../src/domain/registry/model.ts';
import type { SliName } from '../../src/domain/sli/table.ts';
import { sloEvents, sloName } from '../../src/sources/datadog/query/slo-queries.ts';

/** Creates the SLO of our own Terraform in a simulator, with optional changes. Returns its id. */
export function plantSlo(
  simulator: Simulator,
  registry: Registry,
  cujName: string,
  sli: SliName = 'availability',
  change: {
    target?: number;
    timeframe?: '7d' | '30d';
    id?: string;
    name?: string;
    edit?: (query: string) => string;
  } = {},
): string {
  const cuj = registry.cujs.get(cujName) as Cuj;
  const { good, bad, queries } = sloEvents(registry, cuj, sli) as NonNullable<ReturnType<typeof sloEvents>>;
  return simulator.addSlo({
    ...(change.id === undefined ? {} : { id: change.id }),
    name: change.name ?? sloName(cuj, sli),
    thresholds: [
      {
        timeframe: change.timeframe ?? cuj.sloWindow,
        target: change.target ?? (cuj.objectives[sli]?.percent as number),
      },
    ],
    sli_specification: {
      count: {
        good_events_formula: { formula: good },
        bad_events_formula: { formula: bad },
        queries: queries.map(({ name, query }) => ({
          data_source: 'metrics',
          name,
          query: change.edit?.(query) ?? query,
        })),
      },
    },
  }).id;
}
