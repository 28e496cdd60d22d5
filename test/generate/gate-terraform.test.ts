import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { elapsedMetrics, metricsOf } from '../../src/generate/datadog/gate-metric-names.ts';
import { gateTerraform } from '../../src/generate/datadog/gate-terraform.ts';
import { prometheusRules } from '../../src/generate/prometheus/prometheus-rules.ts';
import { documentsOf, exampleDocument, type Loose, registryOf, smallRegistry, textOf } from './example.ts';
import { gateMetrics } from './gate-metrics.ts';
import { gateQueries } from './gate-queries.ts';
import { type Block, complaints, resources } from './provider-schema.ts';

const example = registryOf(exampleDocument());
const monitorsOf = (
  ...[registry, options]: Partial<Parameters<typeof gateTerraform>>
): Record<string, Loose> =>
  JSON.parse(
    textOf(
      gateTerraform(registry ?? example, options ?? { notify: ['@pagerduty-platform', '@slack-{owner}'] }),
      'gate-terraform/gate-monitors.tf.json',
    ),
  ).resource.datadog_monitor;
const monitors = monitorsOf();
const named = Object.entries(monitors);

describe('the monitors of the gate', () => {
  it.each(named)("%s is what the provider's schema takes", (name, value) => {
    expect(complaints(resources.datadog_monitor as Block, value, name)).toEqual([]);
    expect(name).toMatch(/^[a-z_][a-z0-9_]*$/);
  });

  it('are there for each alert of Prometheus, and for no other', () => {
    const [{ groups }] = documentsOf(prometheusRules(example)[0]?.text ?? '');
    const alerts: string[] = groups.flatMap(({ rules }: Loose) =>
      rules.map(({ alert, labels }: Loose) =>
        labels.cuj === undefined ? alert : `${alert} (${labels.cuj})`,
      ),
    );
    const whole = named.filter(([, { name }]) => !/: part \w+$/.test(name));
    expect(whole.map(([, { name }]) => /^\[cuj-gate\] (.*?): /.exec(name)?.[1])).toEqual(alerts);
  });

  it('are as urgent as those of Prometheus, and have their runbook', () => {
    const [{ groups }] = documentsOf(prometheusRules(example)[0]?.text ?? '');
    for (const { alert, labels, annotations } of groups.flatMap(({ rules }: Loose) => rules)) {
      const about = labels.cuj === undefined ? '' : ` (${labels.cuj})`;
      const [, monitor] =
        named.find(
          ([, { name }]) => name.startsWith(`[cuj-gate] ${alert}${about}: `) && !/: part \w+$/.test(name),
        ) ?? [];
      expect(monitor?.tags, alert).toContain(`severity:${labels.severity}`);
      expect(monitor?.priority, alert).toBe(labels.severity === 'page' ? '1' : '3');
      expect(monitor?.message, alert).toContain(`Runbook: ${annotations.runbook_url}\n`.trimEnd());
    }
  });

  it('have a threshold that is the one in their query', () => {
    for (const [name, { type, query, monitor_thresholds }] of named) {
      if (type !== 'composite') expect(query.split(/ [<>] /)[1], name).toBe(monitor_thresholds[0].critical);
    }
  });

  it('refer only to monitors that are there', () => {
    const { cuj_gate_not_asked: both } = monitors;
    expect(both.query).toBe(
      `\${datadog_monitor.cuj_gate_not_asked_rollouts.id} && \${datadog_monitor.cuj_gate_not_asked_silence.id}`,
    );
    for (const [, name] of both.query.matchAll(/datadog_monitor\.(\w+)\.id/g))
      expect(Object.keys(monitors)).toContain(name);
  });

  it('notify those who run the gate, and the owner of a CUJ about it alone', () => {
    expect(monitors.cuj_gate_down.message).toMatch(/\n\n@pagerduty-platform$/);
    expect(monitors.cuj_gate_canary_never_seen_subscribe.message).toMatch(
      /\nOwner: team-payment\n\n@pagerduty-platform @slack-team-payment$/,
    );
    // The parts of a composite monitor mean nothing by themselves.
    expect(monitors.cuj_gate_not_asked_rollouts.message).not.toContain('@');
  });

  it('hold templates of Datadog, and none of Prometheus or of people', () => {
    for (const [name, { name: title, message }] of named) {
      expect(`${title} ${message}`, name).not.toMatch(/\$value|\$labels|humanize/);
    }
    expect(monitors.cuj_gate_source_fails.message).toMatch(/^\{\{eval "value\*100"\}\}% of the queries/);
    expect(monitors.cuj_gate_answers_errors.name).toContain('get {{code.name}}.');
    const hostile = `{{{#is_alert}}} \${file("/etc/passwd")}`;
    const { cuj_gate_canary_never_seen_a: of } = monitorsOf(
      smallRegistry([{ name: 'a', title: hostile, owner: '{{o}}', runbook: 'https://wiki/{{value}}' }]),
      { notify: [] },
    );
    expect(of.message).toContain(`{ { {#is_alert}}} $\${file("/etc/passwd")}`);
    expect(of.message).not.toMatch(/\{\{(?!value\}\} times)/);
  });

  it('lead to the docs and the pages that the options name', () => {
    const docsUrl = 'https://git.example.com/docs';
    const registry = smallRegistry([{ name: 'a' }]);
    const made = monitorsOf(registry, { notify: [], docsUrl, publicUrl: 'https://gate.example.com' });
    expect(made.cuj_gate_down.message).toContain(`Runbook: ${docsUrl}/operations.md#cujgatedown`);
    expect(made.cuj_gate_canary_never_seen_a.message).toContain('https://gate.example.com/cujs/a');
  });
});

describe('every query', () => {
  const queries = [...new Set(gateQueries(example))];

  it.each(queries)('reads metrics and tags that the gate has: %s', async (query) => {
    // A part of a composite, or one that is about Argo Rollouts alone.
    if (!query.includes('cuj_gate.')) {
      expect(query).toMatch(/^\$\{datadog_monitor\.|argo_rollouts\./);
      return;
    }
    const known = await gateMetrics();
    const read = metricsOf(query);
    expect(read).toHaveLength(query.match(/cuj_gate\./g)?.length ?? 0);
    for (const { name, suffix, tags } of read) {
      const raw = Object.entries(elapsedMetrics).find(([, of]) => of === name)?.[0] ?? name;
      const metric = known.find(
        (one) => one.name === `cuj_gate_${raw}` || one.name === `cuj_gate_${raw}_total`,
      );
      expect(metric, name).toBeDefined();
      const isCounter = metric?.name.endsWith('_total') === true;
      const suffixes = isCounter ? ['count'] : metric?.isHistogram ? ['count', 'bucket', 'sum'] : [undefined];
      expect(suffixes, name).toContain(suffix);
      // The agent adds the host. It calls `le` of a bucket its upper bound.
      const labels = ['host', ...(suffix === 'bucket' ? ['upper_bound'] : []), ...(metric?.labels ?? [])];
      for (const tag of tags) expect(labels, name).toContain(tag);
    }
  });

  it('reads a bucket that the histogram has', () => {
    const source = readFileSync('src/http/operations/metrics.ts', 'utf8');
    expect(/buckets: \[([^\]]*)\]/.exec(source)?.[1]?.split(', ')).toContain('7.5');
  });
});

describe('the dashboard of the gate', () => {
  const dashboard = (publicUrl?: string): Loose =>
    JSON.parse(
      textOf(gateTerraform(example, { notify: [], publicUrl }), 'gate-terraform/gate-dashboard.json'),
    );

  it('names every query of a formula, once', () => {
    const widgets = dashboard().widgets.flatMap(({ definition }: Loose) => definition.widgets);
    expect(widgets.length).toBeGreaterThan(15);
    for (const { definition } of widgets) {
      const [{ formulas, queries }] = definition.requests;
      const used = new Set(formulas.flatMap(({ formula }: Loose) => formula.match(/\b[a-z]\b/g)));
      expect([...used].sort(), definition.title).toEqual(queries.map(({ name }: Loose) => name));
    }
  });

  it('links to the pages of the gate, where their address is known', () => {
    expect(dashboard().description).not.toContain('http');
    expect(dashboard('https://gate.example.com').description).toContain('https://gate.example.com/report');
  });
});
