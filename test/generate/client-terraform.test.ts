import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseRumSearch } from '../../src/demo/datadog/rum-search.ts';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import { analysisTemplates } from '../../src/generate/argo/analysis-templates.ts';
import { cujQuestions, judgedServices } from '../../src/generate/argo/canary-args.ts';
import { terraform } from '../../src/generate/datadog/terraform.ts';
import { openslo } from '../../src/generate/openslo/openslo.ts';
import { prometheusSlos } from '../../src/generate/prometheus/cuj-slos.ts';
import { datadogDialect } from '../../src/sources/datadog/query/dialect.ts';
import { prometheusDialect } from '../../src/sources/prometheus/query/dialect.ts';
import { type Loose, options, registryOf, textOf } from './example.ts';
import { complaints, resources } from './provider-schema.ts';

const document = (): Loose => parse(readFileSync('test/testdata/client-registry.yaml', 'utf8'));
const filesOf = (of: Loose) => terraform(registryOf(of), { notify: [] });
const metricsOf = (of: Loose): Loose =>
  JSON.parse(textOf(filesOf(of), 'terraform/client-shop-web.tf.json')).resource.datadog_rum_metric;

const prefix = 'cuj_gate.rum.shop_web_3c5d1c9e';

describe('the metrics of a client', () => {
  it('are one of all events, and for each definition one that fails and one of the rest', () => {
    expect(Object.values<Loose>(metricsOf(document())).map(({ name }) => name)).toEqual([
      `${prefix}.actions`,
      `${prefix}.actions.failed.error_frustration_slow_4000ms`,
      `${prefix}.actions.good.error_frustration_slow_4000ms`,
      `${prefix}.views`,
      `${prefix}.views.failed.error`,
      `${prefix}.views.failed.error_frustration_slow_4000ms`,
      `${prefix}.views.good.error`,
      `${prefix}.views.good.error_frustration_slow_4000ms`,
    ]);
  });

  it('are what the provider takes', () => {
    for (const [name, metric] of Object.entries<Loose>(metricsOf(document()))) {
      expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
      expect(complaints(resources.datadog_rum_metric as Loose, metric, name)).toEqual([]);
      expect(metric.name.length).toBeLessThanOrEqual(200);
      // Datadog refuses it for events that are not updated, and needs it for those that are.
      expect(metric.uniqueness).toEqual(metric.event_type === 'view' ? { when: 'end' } : undefined);
    }
  });

  it('count the named views of real users in this application and env, with the tags of selectors', () => {
    const { cuj_gate_rum_shop_web_3c5d1c9e_views: all } = metricsOf(document());
    expect(all.filter.query).toBe(
      '@application.id:3c5d1c9e-7a52-4d1f-9b7e-0f6a5f0c2e11 @session.type:user env:"production" ' +
        '@view.name:("/" OR "/signup" OR "/signup/?")',
    );
    expect(all.group_by).toEqual([
      { path: 'env', tag_name: 'env' },
      { path: 'version', tag_name: 'version' },
      { path: '@view.name', tag_name: 'view_name' },
    ]);
  });

  it('take a tag that the application adds from the context of its events', () => {
    const of = document();
    of.services.shop.canary = 'role:{role}';
    of.services['shop-web'].canary = 'role:{role}';
    of.services['shop-web'].tags = { region: 'eu' };
    const { cuj_gate_rum_shop_web_3c5d1c9e_views: all } = metricsOf(of);
    expect(all.group_by).toContainEqual({ path: '@context.role', tag_name: 'role' });
    expect(all.group_by).toContainEqual({ path: '@context.region', tag_name: 'region' });
  });

  it('put every event into exactly one of failed and good', () => {
    const metrics = Object.values<Loose>(metricsOf(document()));
    const filterOf = (name: string) =>
      parseRumSearch(metrics.find((metric) => metric.name === name).filter.query);
    for (const event of ['view', 'action']) {
      const names = ['', '.failed.error_frustration_slow_4000ms', '.good.error_frustration_slow_4000ms'];
      const [all, failed, good] = names.map((part) => filterOf(`${prefix}.${event}s${part}`));
      for (const errors of [0, 1, 7])
        for (const loading of [undefined, 1, 4_000_000_000, 4_000_000_001])
          for (const frustration of [false, true]) {
            const attributes = {
              'application.id': '3c5d1c9e-7a52-4d1f-9b7e-0f6a5f0c2e11',
              'session.type': 'user',
              env: 'production',
              [`${event}.name`]: event === 'view' ? '/signup/?' : 'Submit sign-up',
              [`${event}.error.count`]: errors,
              ...(loading === undefined ? {} : { [`${event}.loading_time`]: loading }),
              ...(event === 'view'
                ? { 'view.frustration.count': Number(frustration) }
                : frustration
                  ? { 'action.frustration.type': 'rage_click' }
                  : {}),
            };
            const isBad = errors > 0 || frustration || (loading ?? 0) > 4_000_000_000;
            expect([all?.(attributes), failed?.(attributes), good?.(attributes)]).toEqual([
              true,
              isBad,
              !isBad,
            ]);
          }
    }
  });

  it('cannot be changed by a name: what Terraform would evaluate is escaped', () => {
    const of = document();
    of.cujs[0].client.views = ['/a $_{file(1)} %{if true}'.replace('_', ''), '/b OR @view.name:/c) ('];
    const text = textOf(filesOf(of), 'terraform/client-shop-web.tf.json');
    expect(text).toContain('/a $$_{file(1)} %%{if true}'.replace('_', ''));
    const { cuj_gate_rum_shop_web_3c5d1c9e_views: all } = JSON.parse(text).resource.datadog_rum_metric;
    const matches = parseRumSearch(all.filter.query);
    const view = (name: string) => ({
      'application.id': '3c5d1c9e-7a52-4d1f-9b7e-0f6a5f0c2e11',
      'session.type': 'user',
      env: 'production',
      'view.name': name,
    });
    expect(matches(view('/b OR @view.name:/c) ('))).toBe(true);
    expect(matches(view('/c'))).toBe(false);
  });

  it('have names of their own in each environment', () => {
    const of = document();
    of.environments = { 'prod-eu': { env: 'production' } };
    const resolution = resolveRegistry(
      [{ file: 'cujs.yaml', document: { ...of, environments: undefined } }],
      'd',
      {
        dialect: datadogDialect,
        environment: 'prod-eu',
      },
    );
    if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
    const text = textOf(terraform(resolution.registry, { notify: [] }), 'terraform/client-shop-web.tf.json');
    expect(text).toContain(`"name": "${prefix}.prod_eu.views"`);
  });

  it('are made where another backend measures all servers, and each backend gets the SLOs of its own SLIs', () => {
    const of = document();
    of.sources = { mesh: { backend: 'prometheus', total: 'preset:istio', bad: 'preset:istio' } };
    of.services.shop = { env: 'production', source: 'mesh', canary: 'destination_version:{version}' };
    delete of.services['shop-web'].stable;
    of.cujs = [{ ...of.cujs[1], endpoints: '*' }];
    const resolution = resolveRegistry([{ file: 'cujs.yaml', document: of }], 'd', {
      dialect: prometheusDialect,
      dialects: { datadog: datadogDialect, prometheus: prometheusDialect },
    });
    if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
    const files = terraform(resolution.registry, { notify: [] });
    expect(files.map(({ path }) => path)).toContain('terraform/client-shop-web.tf.json');
    const { resource } = JSON.parse(textOf(files, 'terraform/cuj-browse.tf.json'));
    expect(Object.keys(resource.datadog_service_level_objective)).toEqual(['cuj_browse_client']);
    expect(textOf(files, 'terraform/cujs-dashboard.tf.json')).toContain(
      'Left out, since Datadog does not measure all of it: browse (availability).',
    );
    const { slos, left } = prometheusSlos(resolution.registry);
    expect(slos.map(({ cuj, sli }) => `${cuj.name} ${sli}`)).toEqual(['browse availability']);
    expect(left).toEqual(['browse (client): another backend measures it, or a part of it']);
    const inOpenslo = openslo(resolution.registry).find(({ path }) => path === 'openslo/cuj-browse.yaml');
    expect(inOpenslo?.text.match(/type: \w+$/gm)).toEqual([
      ...Array(2).fill('type: Prometheus'),
      ...Array(2).fill('type: Datadog'),
    ]);
  });

  it('are not made where no CUJ judges the client', () => {
    const of = document();
    for (const cuj of of.cujs) delete cuj.client;
    expect(filesOf(of).map(({ path }) => path)).not.toContain('terraform/client-shop-web.tf.json');
  });
});

describe("the client side's SLO", () => {
  it('counts good events, so that a metric which is missing is no success', () => {
    const slos = JSON.parse(textOf(filesOf(document()), 'terraform/cuj-signup.tf.json')).resource
      .datadog_service_level_objective;
    const { sli_specification: of, thresholds, description } = slos.cuj_signup_client;
    expect(thresholds).toEqual([{ timeframe: '30d', target: 98 }]);
    expect(description).toContain(
      'Good events: client events that do not fail (views and actions: error, frustration, slow 4s).',
    );
    const [{ count }] = of;
    const [{ good_events_formula: good, bad_events_formula: bad, queries }] = count;
    expect([good, bad]).toEqual(['good_1 + good_2', 'total_1 + total_2 - good_1 - good_2']);
    expect(queries.map(({ metric_query: [{ query }] }: Loose) => query)).toContain(
      // How Datadog stores the name's end is not documented.
      `sum:${prefix}.views.good.error_frustration_slow_4000ms{env:production AND view_name IN (/signup,/signup/,/signup/_)}.as_count()`,
    );
    // The servers' SLO has none of it.
    expect(JSON.stringify(slos.cuj_signup_availability)).not.toContain('cuj_gate.rum');
  });
});

describe('templates and Rollouts', () => {
  it('are of the services that are released: none of the client that goes with another one', () => {
    const registry = registryOf(document());
    expect(judgedServices(registry).map(({ name }) => name)).toEqual(['member-api', 'shop']);
    const paths = analysisTemplates(registry, options()).map(({ path }) => path);
    expect(paths).toContain('analysis-templates/service-shop.yaml');
    expect(paths).not.toContain('analysis-templates/service-shop-web.yaml');
    const browse = registry.cujs.get('browse');
    if (browse === undefined) throw new Error('no browse');
    // One service is released, so the whole CUJ is judged: both of its sides.
    expect(cujQuestions(registry, browse, options())).toMatchObject([
      { path: '/cujs/browse/status', services: ['shop'], serviceArg: false },
    ]);
  });
});
