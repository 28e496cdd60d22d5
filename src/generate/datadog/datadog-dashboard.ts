import { oneLine } from '../../domain/outside-text.ts';
import type { Cuj, Registry } from '../../domain/registry/model.ts';
import { failureTextOf } from '../../domain/sli/failure.ts';
import { endpointsCountedBy } from '../../domain/sli/kind.ts';
import { type SliName, sliKinds } from '../../domain/sli/table.ts';
import { sortedBy } from '../output/generated-file.ts';
import { cujPage, startPage } from '../output/page-links.ts';
import { type CujSlo, datadogCujs, slosOf, titleOf } from './datadog-slos.ts';
import { cujResource, literal } from './terraform-names.ts';

/** How the dashboard names the bad events of each SLI. */
const badTexts: Readonly<Record<SliName, { readonly title: string; readonly alias: string }>> = {
  availability: { title: 'Failed requests, %', alias: '5XX, %' },
  latency: { title: 'Slow requests, %', alias: 'slow, %' },
  client: { title: 'Failed views and actions, %', alias: 'failed, %' },
};

/**
 * The Datadog dashboard of the CUJs as JSON, one group of widgets for each CUJ, most critical first. Ids of SLOs are
 * Terraform's template variables, such as `${cuj_login_availability}`. With `publicUrl` it links to the gate's pages.
 */
export function datadogDashboard(registry: Registry, publicUrl: string | undefined): Record<string, unknown> {
  const cujs = sortedBy(datadogCujs(registry), ({ tier, name }) => `${tier} ${name}`);
  const description = [
    'Generated from the CUJ registry by `cuj-gate generate terraform`: change the registry, not this dashboard.',
    ...(publicUrl === undefined
      ? []
      : [`Rollouts in progress: ${startPage(publicUrl, registry.environment)}`]),
  ];
  return {
    title: `[cuj-gate] Critical User Journeys${registry.environment === undefined ? '' : ` (${registry.environment})`}`,
    description: description.join(' '),
    layout_type: 'ordered',
    reflow_type: 'auto',
    widgets: cujs.map((cuj) => group(cuj, slosOf(registry, cuj), publicUrl)),
  };
}

function group(cuj: Cuj, slos: readonly CujSlo[], publicUrl: string | undefined): Record<string, unknown> {
  return {
    definition: {
      type: 'group',
      layout_type: 'ordered',
      title: literal(`${oneLine(titleOf(cuj))} (tier ${cuj.tier})`),
      widgets: [
        note(cuj, publicUrl),
        ...slos.flatMap((slo) => [
          sloWidget(slo),
          timeseries(badTexts[slo.sli].title, slo, 'line', badShare(slo)),
        ]),
        ...slos.slice(0, 1).map((slo) => {
          const { events } = sliKinds[slo.sli];
          const title = `${events.charAt(0).toUpperCase()}${events.slice(1)}`;
          return timeseries(title, slo, 'bars', { formula: slo.events.total, alias: events });
        }),
      ],
    },
  };
}

function note(cuj: Cuj, publicUrl: string | undefined): Record<string, unknown> {
  const lines = [
    ...(cuj.description === undefined ? [] : [oneLine(cuj.description)]),
    `Owner: ${oneLine(cuj.owner)}`,
    ...(cuj.runbook === undefined ? [] : [`[Runbook](${cuj.runbook})`]),
    ...(publicUrl === undefined ? [] : [`[Error budget and releases](${cujPage(publicUrl, cuj)})`]),
    `Services: ${cuj.services.join(', ')}`,
    ...(cuj.mode === 'observe' ? ['Report-only: it never fails a rollout.'] : []),
  ];
  return {
    definition: {
      type: 'note',
      content: literal(lines.join('\n\n')),
      background_color: 'white',
      font_size: '14',
    },
  };
}

function sloWidget({ cuj, sli }: CujSlo): Record<string, unknown> {
  return {
    definition: {
      type: 'slo',
      title: `${cuj.name} ${sli}`,
      view_type: 'detail',
      view_mode: 'overall',
      slo_id: `\${${cujResource(cuj, sli)}}`,
      time_windows: [cuj.sloWindow],
      show_error_budget: true,
    },
  };
}

/** Bad events in percent. Minutes without bad events have no point, which counts as zero if there is traffic. */
function badShare({ cuj, sli, events }: CujSlo): { formula: string; alias: string } {
  const bad = events.bad.replace(/\bbad(_\d+)?\b/g, 'default_zero($&)');
  const kind = sliKinds[sli];
  const failure = kind.countsFailures ? failureTextOf(endpointsCountedBy(kind, cuj.endpoints)) : undefined;
  return {
    formula: `100 * (${bad}) / (${events.total})`,
    alias: failure === undefined ? badTexts[sli].alias : `${failure}, %`,
  };
}

function timeseries(
  title: string,
  { events }: CujSlo,
  display: 'line' | 'bars',
  formula: { formula: string; alias: string },
): Record<string, unknown> {
  const used = events.queries.filter(({ name }) => new RegExp(`\\b${name}\\b`).test(formula.formula));
  return {
    definition: {
      type: 'timeseries',
      title,
      requests: [
        {
          response_format: 'timeseries',
          display_type: display,
          formulas: [formula],
          queries: used.map(({ name, query }) => ({ data_source: 'metrics', name, query })),
        },
      ],
    },
  };
}
