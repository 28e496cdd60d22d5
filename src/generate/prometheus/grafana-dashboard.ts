import type { GeneratedFile } from '../output/generated-file.ts';
import { type Json, type Panel, rows } from './grafana-panels.ts';

/**
 * A Grafana dashboard over the gate's own metrics, in `grafana/`. CUJs and services are variables that it reads from the
 * metrics, so it is the same for every registry and a new CUJ shows up by itself.
 */
export function grafanaDashboard(): GeneratedFile[] {
  const dashboard = {
    uid: 'cuj-gate',
    title: 'cuj-gate',
    description: 'Made by `cuj-gate generate grafana-dashboard`.',
    tags: ['cuj-gate'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '1m',
    time: { from: 'now-6h', to: 'now' },
    templating: { list: [datasource, labelVariable('cuj', 'CUJ'), labelVariable('service', 'Service')] },
    panels: panels(),
  };
  return [{ path: 'grafana/cuj-gate.json', text: `${JSON.stringify(dashboard, null, 2)}\n` }];
}

const datasource = { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' };
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it with the data source that was chosen.
const source = { type: 'prometheus', uid: '${datasource}' };

function labelVariable(name: string, label: string): Json {
  const query = `label_values(cuj_gate_verdicts_total, ${name})`;
  return {
    name,
    label,
    type: 'query',
    datasource: source,
    definition: query,
    query: { query, refId: name },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  };
}

/** Rows one below the other, the panels of each from left to right, broken at 24 columns. */
function panels(): Json[] {
  const all: Json[] = [];
  let y = 0;
  let id = 0;
  for (const { title, panels: inside } of rows) {
    id += 1;
    all.push({ id, type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: 24, h: 1 }, panels: [] });
    y += 1;
    let x = 0;
    let height = 0;
    for (const panel of inside) {
      if (x + panel.width > 24) {
        y += height;
        x = 0;
        height = 0;
      }
      id += 1;
      all.push(panelJson(panel, id, { x, y, w: panel.width, h: panel.height }));
      x += panel.width;
      height = Math.max(height, panel.height);
    }
    y += height;
  }
  return all;
}

function panelJson(panel: Panel, id: number, gridPos: Json): Json {
  const { title, description, type, unit, threshold } = panel;
  const steps = [
    { color: 'green', value: null },
    ...(threshold === undefined ? [] : [{ color: 'red', value: threshold }]),
  ];
  const line = threshold === undefined ? {} : { thresholdsStyle: { mode: 'line' } };
  return {
    id,
    type,
    title,
    description,
    datasource: source,
    gridPos,
    targets: panel.targets.map(({ expr, legend, instant }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: source,
      expr,
      legendFormat: legend,
      ...(instant === true
        ? { instant: true, range: false, ...(type === 'table' ? { format: 'table' } : {}) }
        : {}),
    })),
    fieldConfig: {
      defaults: {
        unit,
        thresholds: { mode: 'absolute', steps },
        ...(type === 'timeseries' ? { custom: { ...panel.custom, ...line } } : {}),
      },
      overrides: [],
    },
    ...(type === 'timeseries'
      ? {
          options: {
            legend: { displayMode: 'list', placement: 'bottom' },
            tooltip: { mode: 'multi', sort: 'desc' },
          },
        }
      : {}),
    ...(type === 'stat' ? { options: { reduceOptions: { calcs: ['lastNotNull'] } } } : {}),
    ...(type === 'table'
      ? { transformations: [{ id: 'organize', options: { excludeByName: { Time: true } } }] }
      : {}),
  };
}
