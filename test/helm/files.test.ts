import { expect, it } from 'vitest';
import type { Cuj, Registry } from '../../src/domain/registry/model.ts';
import { checkMetrics } from '../../src/generate/datadog/gate-metric-names.ts';
import { grafanaDashboard } from '../../src/generate/prometheus/grafana-dashboard.ts';
import { prometheusRules } from '../../src/generate/prometheus/prometheus-rules.ts';
import { smallRegistry } from '../generate/example.ts';
import { gateQueries } from '../generate/gate-queries.ts';

// `npx vitest run test/helm -u` writes the chart's copies anew.

it('the chart holds the dashboard that generate makes, which is the same for every registry', async () => {
  const [file] = grafanaDashboard();
  await expect(file?.text).toMatchFileSnapshot('../../helm/cuj-gate/files/dashboard.json');
});

it("the chart's annotation for the agent collects what the generated monitors and their dashboard read", async () => {
  const text = `${JSON.stringify(checkMetrics(gateQueries(smallRegistry([{ name: 'any' }]))), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot('../../helm/cuj-gate/files/datadog-metrics.json');
});

it("the chart holds generate's alerts, that of a CUJ for any of them: it does not know their owners", async () => {
  const any = { name: 'ANY', title: 'ANY', owner: 'ANY', tier: 1 } as unknown as Cuj;
  // The chart is for every backend, Datadog among them.
  const { services } = smallRegistry([{ name: 'any' }]);
  const registry = { cujs: new Map([['ANY', any]]), services } as unknown as Registry;
  const [file] = prometheusRules(registry);
  const text = file?.text
    .replace(
      '# Generated from the CUJ registry by `cuj-gate generate prometheus-rules`: change the registry, not this file.',
      '# The output of `cuj-gate generate prometheus-rules` has an alert for each CUJ, with its owner, in place of the last one.',
    )
    .replace(/ +# Owner: .*\n/, '')
    .replace(/ +(cuj|owner|tier): .*\n/g, '')
    .replace('cuj-gate-cuj-ANY', 'cuj-gate-cujs')
    .replaceAll('cuj="ANY"', 'cuj!="*"')
    .replace(/expr: .*cuj!=.*/, (expr) => expr.replaceAll('sum(', 'sum by (cuj) ('))
    .replaceAll('ANY', '{{ $labels.cuj }}');
  expect(text).not.toContain('ANY');
  await expect(text).toMatchFileSnapshot('../../helm/cuj-gate/files/gate.rules.yaml');
});
