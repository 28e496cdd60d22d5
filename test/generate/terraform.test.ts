import { describe, expect, it } from 'vitest';
import { terraform } from '../../src/generate/datadog/terraform.ts';
import { exampleDocument, type Loose, registryOf, smallRegistry, textOf } from './example.ts';
import { type Block, complaints, resources } from './provider-schema.ts';

const example = registryOf(exampleDocument());
const files = terraform(example, { notify: ['@slack-{owner}'] });
const parsed = files.filter(({ path }) => path.endsWith('.tf.json')).map(({ text }) => JSON.parse(text));
const made: [string, string, Loose][] = parsed.flatMap(({ resource = {} }) =>
  Object.entries(resource).flatMap(([type, named]) =>
    Object.entries(named as Loose).map(([name, value]): [string, string, Loose] => [type, name, value]),
  ),
);
const resourceOf = (name: string): Loose => made.find((each) => each[1] === name)?.[2];

describe('the judge of the resources', () => {
  const good = resourceOf('cuj_login_availability');
  it.each([
    ['an unknown attribute', { ...good, nam: 'x' }, 'slo.nam is unknown'],
    ['a missing one', { ...good, name: undefined }, 'slo.name is missing'],
    ['a wrong type', { ...good, name: 1 }, 'slo.name is not of type "string"'],
    ['too few blocks', { ...good, thresholds: [] }, 'slo.thresholds has too few blocks'],
    [
      'too many blocks',
      { ...good, sli_specification: [{}, {}] },
      'slo.sli_specification has too many blocks',
    ],
    [
      'what only the provider sets',
      { ...good, thresholds: [{ timeframe: '30d', target: 1, target_display: '1' }] },
      'slo.thresholds[0].target_display is computed',
    ],
  ])('complains about %s', (_, value, complaint) => {
    expect(complaints(resources.datadog_service_level_objective as Block, value, 'slo')).toContain(complaint);
  });
});

describe('every resource', () => {
  it.each(made)("%s.%s is what the provider's schema takes", (type, name, value) => {
    expect(complaints(resources[type] as Block, value, `${type}.${name}`)).toEqual([]);
  });

  it('has a name that Terraform takes, and no other has', () => {
    const addresses = made.map(([type, name]) => `${type}.${name}`);
    for (const [, name] of made) expect(name).toMatch(/^[a-z_][a-z0-9_]*$/);
    expect(new Set(addresses).size).toBe(addresses.length);
  });

  it('refers only to SLOs that are there', () => {
    const slos = made.filter(([type]) => type === 'datadog_service_level_objective').map(([, name]) => name);
    const references = parsed.flatMap((value) =>
      [...JSON.stringify(value).matchAll(/datadog_service_level_objective\.(\w+)\.id/g)].map(
        (match) => match[1],
      ),
    );
    expect(references.length).toBeGreaterThan(slos.length);
    expect(references.filter((name) => !slos.includes(name as string))).toEqual([]);
  });
});

describe('SLOs', () => {
  it('have the objective, window, names and tags of the CUJ', () => {
    expect(resourceOf('cuj_subscribe_availability')).toMatchObject({
      name: '[cuj-gate] subscribe availability',
      type: 'metric',
      thresholds: [{ timeframe: '30d', target: 99.95 }],
      tags: [
        'cuj:subscribe',
        'env:production',
        'managed-by:cuj-gate',
        'owner:team-payment',
        'service:member-api',
        'service:payment-api',
        'tier:1',
      ],
    });
  });

  it('use every query that they name, and no other', () => {
    for (const [, name, value] of made.filter(([type]) => type === 'datadog_service_level_objective')) {
      const [{ count }] = value.sli_specification;
      const [{ good_events_formula, bad_events_formula, queries }] = count;
      const used = new Set(`${good_events_formula} ${bad_events_formula}`.match(/[a-z]\w*/g));
      expect([...used].sort(), name).toEqual(
        queries.map((query: Loose) => query.metric_query[0].name).sort(),
      );
    }
  });

  it('that exist already are imported, in a file of their own', () => {
    const registry = smallRegistry([
      { name: 'a', sloId: { availability: '0123456789abcdef0123456789abcdef' } },
      { name: 'b' },
    ]);
    const made = terraform(registry, { notify: [] });
    expect(JSON.parse(textOf(made, 'terraform/import-a.tf.json'))).toEqual({
      import: [
        { to: 'datadog_service_level_objective.cuj_a_availability', id: '0123456789abcdef0123456789abcdef' },
      ],
    });
    expect(made.map(({ path }) => path)).not.toContain('terraform/import-b.tf.json');
  });
});

describe('monitors', () => {
  const burns = made.filter(
    ([type, name]) => type === 'datadog_monitor' && name.startsWith('cuj_login_availability_'),
  );

  it('watch three burn rates over two windows each, and the budget', () => {
    const id = `"\${datadog_service_level_objective.cuj_login_availability.id}"`;
    expect(burns.map(([, , { query }]) => query)).toEqual([
      `burn_rate(${id}).over("30d").long_window("1h").short_window("5m") > 14.4`,
      `burn_rate(${id}).over("30d").long_window("6h").short_window("30m") > 6`,
      `burn_rate(${id}).over("30d").long_window("24h").short_window("2h") > 3`,
      `error_budget(${id}).over("30d") > 75`,
    ]);
  });

  it.each([
    [99, [14.4, 6, 3]],
    [93.056, [14.4, 6, 3]],
    // At most 10 times as fast as allowed, where every request fails.
    [90, [5, 6, 3]],
    [80, [2.5, 2.5, 3]],
    [50, []],
  ])('at %d%% wait for no burn rate that Datadog refuses as impossible', (latency, rates) => {
    const registry = smallRegistry([
      {
        name: 'a',
        slo: { availability: 99.9, latency },
        endpoints: [{ method: 'GET', path: '/a', latencyMs: 300 }],
      },
    ]);
    const text = textOf(terraform(registry, { notify: [] }), 'terraform/cuj-a.tf.json');
    const monitors: Loose = JSON.parse(text).resource.datadog_monitor;
    const found = ['burn_1h', 'burn_6h', 'burn_24h'].flatMap(
      (burn) => monitors[`cuj_a_latency_${burn}`] ?? [],
    );
    expect(found.map((each) => Number(each.monitor_thresholds[0].critical))).toEqual(rates);
    for (const { query, monitor_thresholds, name } of found) {
      expect(query).toMatch(new RegExp(` > ${monitor_thresholds[0].critical}$`));
      expect(name).toContain(`${monitor_thresholds[0].critical}x`);
    }
  });

  it('have a threshold that is the one in their query', () => {
    for (const [type, name, value] of made) {
      if (type !== 'datadog_monitor') continue;
      expect(value.query.split(' > ')[1], name).toBe(value.monitor_thresholds[0].critical);
      expect(['1', '2', '3', '4', '5'], name).toContain(value.priority);
    }
  });

  it('tell the owner, the runbook and whom to notify', () => {
    const { message } = resourceOf('cuj_login_availability_burn_1h');
    expect(message).toContain(
      'Owner: team-identity\nRunbook: https://wiki.example.com/runbooks/login\n\n@slack-team-identity',
    );
    expect(message).toContain('lasts 2.1 days');
  });

  it('stand where the error budget policy draws its lines, and say what was agreed', () => {
    const names = made
      .map(([, name]) => name)
      .filter((name) => name.startsWith('cuj_signup_availability_budget'));
    expect(names).toEqual(['cuj_signup_availability_budget_50', 'cuj_signup_availability_budget_100']);
    expect(resourceOf('cuj_signup_availability_budget_100').message).toContain(
      'Agreed: Only reliability work ships',
    );
  });
});

describe('the dashboard', () => {
  const template = textOf(files, 'terraform/cujs-dashboard.json.tftpl');
  const { locals } = JSON.parse(textOf(files, 'terraform/cujs-dashboard.tf.json'));

  it('is JSON, a group of widgets for each CUJ, the most critical first', () => {
    const groups = JSON.parse(template).widgets.map(({ definition }: Loose) => definition.title);
    expect(groups).toHaveLength(example.cujs.size);
    expect(groups.map((title: string) => title.slice(-7))).toEqual([
      ...Array(7).fill('tier 1)'),
      ...Array(3).fill('tier 2)'),
    ]);
  });

  it('takes its variables from the ids of the SLOs, all of them', () => {
    const used = [...template.matchAll(/\$\{(\w+)\}/g)].map((match) => match[1]);
    expect([...new Set(used)].sort()).toEqual(Object.keys(locals.cuj_gate_slo_ids).sort());
  });

  it('names every query of a formula', () => {
    for (const group of JSON.parse(template).widgets) {
      for (const { definition } of group.definition.widgets.filter(
        (widget: Loose) => widget.definition.type === 'timeseries',
      )) {
        const [{ formulas, queries }] = definition.requests;
        const used = new Set(formulas[0].formula.replaceAll('default_zero', '').match(/[a-z]\w*/g));
        expect([...used].sort()).toEqual(queries.map((query: Loose) => query.name).sort());
      }
    }
  });
});

it('keeps what people wrote from becoming an expression of Terraform', () => {
  const hostile = `\${file("/etc/passwd")} %{ if true } "quoted"`;
  const registry = smallRegistry([{ name: 'a', title: hostile, description: hostile, owner: hostile }]);
  for (const { path, text } of terraform(registry, { notify: [] })) {
    // What is left after the escapes are taken away must hold nothing that Terraform would evaluate but our own.
    const expressions =
      text
        .replaceAll('$${', '')
        .replaceAll('%%{', '')
        .match(/[$%]\{[^}]*\}/g) ?? [];
    for (const expression of expressions) {
      expect(expression, path).toMatch(
        /^\$\{(datadog_service_level_objective\.cuj_a_\w+\.id|templatefile\(.*|path\.module|cuj_a_\w+)\}$/,
      );
    }
  }
});

it('keeps what people wrote from becoming a template of a message', () => {
  const hostile = '{{{#is_alert}}}';
  const policy = [{ below: '50%', action: hostile }];
  const registry = smallRegistry([
    { name: 'a', title: hostile, description: hostile, owner: hostile, errorBudgetPolicy: policy },
  ]);
  const texts = terraform(registry, { notify: ['@team-{owner}', '{{#is_alert}}@pager{{/is_alert}}'] })
    .flatMap(({ text }) => text.match(/"message": ".*"/g) ?? [])
    .map((text) => text.replaceAll('{{#is_alert}}@pager{{/is_alert}}', ''));
  expect(texts.length).toBeGreaterThan(2);
  for (const text of texts) expect(text).not.toContain('{{');
});
