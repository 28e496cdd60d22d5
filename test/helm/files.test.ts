import { expect, it } from 'vitest';
import type { Registry } from '../../src/domain/registry-model.ts';
import { grafanaDashboard } from '../../src/generate/grafana-dashboard.ts';
import { prometheusRules } from '../../src/generate/prometheus-rules.ts';

// `npx vitest run test/helm -u` writes the chart's copies anew.

it('the chart holds the dashboard that generate makes, which is the same for every registry', async () => {
  const [file] = grafanaDashboard();
  await expect(file?.text).toMatchFileSnapshot('../../helm/cuj-gate/files/dashboard.json');
});

it("the chart holds the alerts on the gate itself, which are generate's without any CUJ", async () => {
  const registry = { cujs: new Map(), services: new Map() } as unknown as Registry;
  const [file] = prometheusRules(registry);
  await expect(file?.text).toMatchFileSnapshot('../../helm/cuj-gate/files/gate.rules.yaml');
});
