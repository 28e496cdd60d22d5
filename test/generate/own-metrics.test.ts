import { describe, expect, it } from 'vitest';
import { sourceErrorCodes } from '../../src/domain/errors.ts';
import { grafanaDashboard } from '../../src/generate/prometheus/grafana-dashboard.ts';
import { prometheusRules } from '../../src/generate/prometheus/prometheus-rules.ts';
import { routes } from '../../src/http/server/routes.ts';
import { documentsOf, exampleDocument, type Loose, registryOf, smallRegistry } from './example.ts';
import { gateMetrics } from './gate-metrics.ts';

/** Names and labels of everything that a running gate shows, as Prometheus stores it. */
async function metricsOfTheGate(): Promise<Map<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const { name, isHistogram, labels } of await gateMetrics()) {
    if (!isHistogram) found.set(name, labels);
    else for (const suffix of ['_bucket', '_count', '_sum']) found.set(`${name}${suffix}`, [...labels, 'le']);
  }
  return found;
}

const example = registryOf(exampleDocument());
const dashboard: Loose = JSON.parse(grafanaDashboard()[0]?.text ?? '');
const panels: Loose[] = dashboard.panels;
const rulesOf = (registry = example): Loose[] =>
  documentsOf(prometheusRules(registry)[0]?.text ?? '')[0].groups.flatMap(({ rules }: Loose) => rules);
const expressions: [string, string][] = [
  ...rulesOf().map(({ alert, labels, expr }): [string, string] => [
    `${alert} ${labels.cuj ?? ''}`.trim(),
    expr,
  ]),
  ...panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }: Loose): [string, string] => [title, expr]),
  ),
];

describe('every expression', () => {
  it.each(expressions)('of "%s" asks for metrics and labels that the gate has', async (_, expr) => {
    const metrics = await metricsOfTheGate();
    const used = [...expr.matchAll(/\b(cuj_gate_[a-z_]+)(?:\{([^}]*)\})?/g)];
    expect(used.length).toBeGreaterThan(0);
    for (const [, name, matchers = ''] of used) {
      const labels = metrics.get(name as string);
      expect(labels, name).toBeDefined();
      for (const [, label] of matchers.matchAll(/(\w+)(?:=~|!~|!=|=)"/g))
        expect(labels, name).toContain(label);
      const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap((match) =>
        (match[1] as string).split(/,\s*/),
      );
      const known = used.flatMap(([, each]) => metrics.get(each as string) ?? []);
      for (const label of grouped) expect(known).toContain(label);
    }
  });

  it('names routes and outcomes as the gate writes them', () => {
    const pattern = new RegExp(
      `^${/route=~"([^"]+)"/.exec(expressions.map(([, expr]) => expr).join('\n'))?.[1]}$`,
    );
    expect(Object.values(routes).filter((route) => pattern.test(route))).toEqual([
      routes.cujStatus,
      routes.serviceStatus,
    ]);
    const outcomes = expressions.flatMap(([, expr]) =>
      [...expr.matchAll(/outcome(?:=|!~)"([^"]+)"/g)].flatMap((match) => (match[1] as string).split('|')),
    );
    expect(outcomes.length).toBeGreaterThan(3);
    for (const outcome of outcomes) expect(['ok', ...sourceErrorCodes]).toContain(outcome);
  });
});

describe('the rules', () => {
  it.each(rulesOf().map((rule) => [rule.alert, rule] as const))(
    '%s says what it means, what to do and how urgent it is',
    (_, rule) => {
      expect(['page', 'ticket']).toContain(rule.labels.severity);
      for (const key of ['summary', 'description', 'fix']) expect(rule.annotations[key]).toBeTypeOf('string');
      expect(rule.for).toMatch(/^\d+m$/);
    },
  );

  it.each(rulesOf().map((rule) => [rule.alert, rule] as const))(
    '%s has a runbook, as a whole URL',
    (_, rule) => {
      const { runbook_url: url, docs } = rule.annotations;
      expect(URL.canParse(url)).toBe(true);
      if (rule.labels.cuj === undefined)
        expect(url).toBe(`https://docs.example.com/cuj-gate/${docs.slice(5)}`);
    },
  );

  it('lead to where the docs are read, but to the own runbook of a CUJ', () => {
    const docsUrl = 'https://git.example.com/cuj-gate/-/blob/main/docs';
    const registry = smallRegistry([{ name: 'a' }, { name: 'b', runbook: 'https://wiki.example.com/b' }]);
    const [{ groups }] = documentsOf(prometheusRules(registry, { docsUrl })[0]?.text ?? '');
    const urls = groups.flatMap(({ rules }: Loose) =>
      rules.map((rule: Loose) => rule.annotations.runbook_url),
    );
    expect(urls[0]).toBe(`${docsUrl}/operations.md#cujgatedown`);
    expect(urls.slice(-2)).toEqual([
      `${docsUrl}/operations.md#cujgatecanaryneverseen`,
      'https://wiki.example.com/b',
    ]);
  });

  it('name the owner, tier and runbook of each CUJ', () => {
    const rule = rulesOf().find(({ labels }) => labels.cuj === 'subscribe');
    expect(rule.labels).toMatchObject({ owner: 'team-payment', tier: '1', severity: 'ticket' });
    expect(rule.annotations.runbook_url).toBe('https://wiki.example.com/runbooks/subscribe');
  });

  it('hold nothing of people that Prometheus would expand', () => {
    const rules = rulesOf(
      smallRegistry([{ name: 'a', title: '{{ $labels.x }}', owner: '{{ query "up" }}' }]),
    );
    const rule = rules.find(({ labels }) => labels.cuj === 'a');
    expect(JSON.stringify(rule)).not.toContain('{{');
  });
});

describe('the dashboard', () => {
  it('has panels that do not lie over one another, inside the grid, each with an id of its own', () => {
    const cells = new Set<string>();
    for (const { gridPos, title } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(cells.has(`${x} ${y}`), title).toBe(false);
          cells.add(`${x} ${y}`);
        }
      }
    }
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  it('shows verdicts, evidence, the budget of calls and staleness', () => {
    const text = JSON.stringify(panels);
    for (const metric of [
      'cuj_gate_verdicts_total',
      'cuj_gate_evidence',
      'cuj_gate_source_rate_limit_remaining',
      'cuj_gate_source_stale_seconds',
      'cuj_gate_source_clock_skew_seconds',
      'cuj_gate_registry_loaded_timestamp_seconds',
    ]) {
      expect(text).toContain(metric);
    }
  });

  it('explains every panel', () => {
    for (const { type, title, description } of panels)
      if (type !== 'row') expect(description, title).toBeTruthy();
  });
});
