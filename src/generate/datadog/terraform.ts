import { oneLine } from '../../domain/outside-text.ts';
import type { Cuj, Registry } from '../../domain/registry/model.ts';
import { sloName } from '../../sources/datadog/query/slo-queries.ts';
import { type GeneratedFile, sortedBy } from '../output/generated-file.ts';
import { datadogDashboard } from './datadog-dashboard.ts';
import { type CujSlo, cujSlos, datadogTags, goodMeans, slosOf, titleOf } from './datadog-slos.ts';
import { sloMonitors } from './terraform-monitors.ts';
import { cujResource, literal, sloIdExpression } from './terraform-names.ts';

export interface TerraformOptions {
  /** Handles at the end of every monitor's message; `{owner}` is the CUJ's. */
  readonly notify: readonly string[];
}

const dashboardTemplate = 'cujs-dashboard.json.tftpl';

/**
 * A Terraform folder, `terraform/`: a tf.json file for each CUJ with its SLOs and monitors, the dashboard of all of them,
 * and imports of SLOs that exist already. It can be a root module; as a module of another, its import files must move
 * there, because Terraform takes imports in a root module only.
 */
export function terraform(registry: Registry, options: TerraformOptions): GeneratedFile[] {
  const cujs = sortedBy(registry.cujs.values(), ({ name }) => name);
  return [
    file('versions.tf.json', {
      '//': 'Made by `cuj-gate generate terraform`. The provider is configured where this folder is used.',
      terraform: {
        required_version: '>= 1.5',
        required_providers: { datadog: { source: 'DataDog/datadog' } },
      },
    }),
    ...cujs.flatMap((cuj) => cujFiles(registry, cuj, options)),
    ...dashboardFiles(registry),
  ];
}

function cujFiles(registry: Registry, cuj: Cuj, { notify }: TerraformOptions): GeneratedFile[] {
  const slos = slosOf(registry, cuj);
  const files = [
    file(`cuj-${cuj.name}.tf.json`, {
      '//': `Made from the CUJ registry by \`cuj-gate generate terraform\`: change the registry, not this file. Owner: ${literal(oneLine(cuj.owner))}.`,
      resource: {
        datadog_service_level_objective: Object.fromEntries(
          slos.map((slo) => [cujResource(cuj, slo.sli), serviceLevelObjective(registry, slo)]),
        ),
        datadog_monitor: Object.assign({}, ...slos.map((slo) => sloMonitors(registry, slo, notify))),
      },
    }),
  ];
  const imports = slos.flatMap(({ sli }) => {
    const id = cuj.sloIds[sli];
    return id === undefined ? [] : [{ to: `datadog_service_level_objective.${cujResource(cuj, sli)}`, id }];
  });
  if (imports.length > 0) files.push(file(`import-${cuj.name}.tf.json`, { import: imports }));
  return files;
}

function serviceLevelObjective(registry: Registry, slo: CujSlo): Record<string, unknown> {
  const { cuj, sli, objective, events } = slo;
  const description = [
    `${oneLine(titleOf(cuj))}${cuj.description === undefined ? '' : `: ${oneLine(cuj.description)}`}`,
    `Good events: ${goodMeans(slo)}.`,
    `Owner: ${oneLine(cuj.owner)}`,
    ...(cuj.runbook === undefined ? [] : [`Runbook: ${cuj.runbook}`]),
  ];
  return {
    name: sloName(cuj, sli),
    type: 'metric',
    description: literal(description.join('\n')),
    tags: datadogTags(registry, cuj),
    thresholds: [{ timeframe: cuj.sloWindow, target: objective.percent }],
    sli_specification: [
      {
        count: [
          {
            good_events_formula: events.good,
            bad_events_formula: events.bad,
            queries: events.queries.map(({ name, query }) => ({
              metric_query: [{ data_source: 'metrics', name, query }],
            })),
          },
        ],
      },
    ],
  };
}

/** The dashboard's JSON stands in a file of its own, so that its differences can be read. */
function dashboardFiles(registry: Registry): GeneratedFile[] {
  const ids = cujSlos(registry).map(({ cuj, sli }) => [
    cujResource(cuj, sli),
    `\${${sloIdExpression(cuj, sli)}}`,
  ]);
  return [
    file('cujs-dashboard.tf.json', {
      '//': `Made by \`cuj-gate generate terraform\`. The widgets are in ${dashboardTemplate}; each CUJ has a group of its own.`,
      locals: { cuj_gate_slo_ids: Object.fromEntries(ids) },
      resource: {
        datadog_dashboard_json: {
          cujs: {
            dashboard: `\${templatefile("\${path.module}/${dashboardTemplate}", local.cuj_gate_slo_ids)}`,
          },
        },
      },
    }),
    file(dashboardTemplate, datadogDashboard(registry)),
  ];
}

function file(name: string, value: unknown): GeneratedFile {
  return { path: `terraform/${name}`, text: `${JSON.stringify(value, null, 2)}\n` };
}
