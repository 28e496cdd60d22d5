import { describe, expect, it } from 'vitest';
import { analysisTemplates } from '../../src/generate/argo/analysis-templates.ts';
import { rollouts } from '../../src/generate/argo/rollout.ts';
import { terraform } from '../../src/generate/datadog/terraform.ts';
import { openslo } from '../../src/generate/openslo/openslo.ts';
import type { GeneratedFile } from '../../src/generate/output/generated-file.ts';
import { grafanaDashboard } from '../../src/generate/prometheus/grafana-dashboard.ts';
import { prometheusRules } from '../../src/generate/prometheus/prometheus-rules.ts';
import { pageRoutes, routes } from '../../src/http/server/routes.ts';
import { lintRollouts } from '../../src/lint/lint-rollouts.ts';
import {
  documentsOf,
  exampleDocument,
  type Loose,
  options,
  registryOf,
  smallRegistry,
  textOf,
} from './example.ts';

const publicUrl = 'https://ops.example.com/gate';
const link = 'link.argocd.argoproj.io/external-link';
const example = registryOf(exampleDocument());

/** Everything that `generate all` makes, with the same address for each. */
function everything(url: string | undefined, registry = example): readonly GeneratedFile[] {
  const made = options({ publicUrl: url });
  return [
    ...analysisTemplates(registry, made),
    ...rollouts(registry, { ...made, analysis: 'cujs' }),
    ...terraform(registry, { notify: ['@slack'], publicUrl: url }),
    ...openslo(registry),
    ...grafanaDashboard({ publicUrl: url }),
    ...prometheusRules(registry, { publicUrl: url }),
  ];
}
const files = everything(publicUrl);
const objects = (path: string, of = files): Loose[] => documentsOf(textOf(of, path));

describe('every link', () => {
  const paths = new Set(
    files.flatMap(({ text }) =>
      [...text.matchAll(/https:\/\/ops\.example\.com\/gate([^\s")\\]*)/g)].map((match) => match[1] as string),
    ),
  );

  it('leads to a page that the gate has, of a CUJ that it has', () => {
    const pages = [pageRoutes.start, pageRoutes.report, routes.cuj];
    const wanted = [
      ...example.cujs.keys(),
      ...['field.labels.cuj', 'value.raw'].map((name) => `\${__${name}}`),
    ];
    expect([...paths].sort()).toEqual(
      [
        ...pages.filter((page) => page !== routes.cuj),
        ...wanted.map((name) => routes.cuj.replace(':name', name)),
      ].sort(),
    );
  });

  it('is all that differs from what is made without an address', () => {
    const without = everything(undefined);
    expect(without.map(({ path }) => path)).toEqual(files.map(({ path }) => path));
    expect(without.map(({ text }) => text).join('')).not.toMatch(
      /ops\.example\.com|external-link|analysisRunMetadata/,
    );
    const digests = (of: readonly GeneratedFile[]) =>
      of.flatMap(({ text }) => text.match(/sha256:[0-9a-f]{64}/g) ?? []);
    expect(digests(files)).toEqual(digests(without));
    for (const [i, { path, text }] of files.entries()) {
      if (path.startsWith('openslo/')) expect(text).toBe(without[i]?.text);
    }
  });
});

describe('the link that Argo CD shows', () => {
  const linkOf = (metadata: Loose) => metadata.annotations[link];

  it("is a CUJ's page at its templates, and the start page at those of a service", () => {
    for (const name of example.cujs.keys()) {
      for (const { metadata } of objects(`analysis-templates/cuj-${name}.yaml`))
        expect(linkOf(metadata)).toBe(`${publicUrl}/cujs/${name}`);
    }
    for (const { metadata } of objects('analysis-templates/service-member-api.yaml'))
      expect(linkOf(metadata)).toBe(`${publicUrl}/`);
  });

  it("is the CUJ's page at each of its templates where every service has its own", () => {
    const registry = smallRegistry(
      [{ name: 'buy', endpoints: ['GET /a', { service: 'pay', method: 'POST', path: '/b' }] }],
      { pay: { env: 'prod', operation: 'http.request', canary: 'role:canary' } },
    );
    const templates = objects('analysis-templates/cuj-buy.yaml', everything(publicUrl, registry));
    expect(templates).toHaveLength(4);
    for (const { metadata } of templates) expect(linkOf(metadata)).toBe(`${publicUrl}/cujs/buy`);
  });

  it('is the start page at a Rollout, and at its runs where they measure several CUJs', () => {
    const [rollout] = objects('rollouts/member-api.yaml');
    const { analysis, steps } = rollout.spec.strategy.canary;
    expect(linkOf(rollout.metadata)).toBe(`${publicUrl}/`);
    for (const { analysisRunMetadata } of [analysis, steps[2].analysis])
      expect(analysisRunMetadata).toEqual({ annotations: { [link]: `${publicUrl}/` } });
  });

  it("is the CUJ's page at runs that measure only this one", () => {
    const one = everything(
      publicUrl,
      smallRegistry([{ name: 'login' }, { name: 'report', mode: 'observe' }]),
    );
    const { analysis, steps } = objects('rollouts/shop.yaml', one)[0].spec.strategy.canary;
    expect(linkOf(analysis.analysisRunMetadata)).toBe(`${publicUrl}/`);
    expect(linkOf(steps[2].analysis.analysisRunMetadata)).toBe(`${publicUrl}/cujs/login`);
  });

  it('is the start page at runs that ask about a service', () => {
    const made = rollouts(example, { ...options({ publicUrl }), analysis: 'service' });
    const { analysis } = objects('rollouts/member-api.yaml', made)[0].spec.strategy.canary;
    expect(linkOf(analysis.analysisRunMetadata)).toBe(`${publicUrl}/`);
  });

  it('is nothing that the linter minds', () => {
    const argo = files.filter(({ path }) => /^(rollouts|analysis-templates)\//.test(path));
    const text = argo.map((file) => file.text).join('---\n');
    const { findings } = lintRollouts([{ file: 'all.yaml', text }], {
      registry: example,
      requestsPerMinute: undefined,
      objective: 99.95,
      ruleOutBurn: 14.4,
      lagSeconds: 45,
      maxWindowSeconds: 7200,
    });
    expect(findings).toEqual([]);
  });
});

describe('the Grafana dashboard', () => {
  const [file] = grafanaDashboard({ publicUrl });
  const dashboard: Loose = JSON.parse(file?.text ?? '');
  const bySeries: Loose[] = dashboard.panels.filter(
    ({ type, targets = [] }: Loose) =>
      type === 'timeseries' && targets.every(({ expr }: Loose) => /^\w+ by \(cuj\b/.test(expr)),
  );

  it('has the start page and the report at its top', () => {
    expect(dashboard.links.map(({ type, url }: Loose) => [type, url])).toEqual([
      ['link', `${publicUrl}/`],
      ['link', `${publicUrl}/report`],
    ]);
  });

  it('leads from each series of a CUJ to its page, and from no other', () => {
    expect(bySeries.length).toBeGreaterThan(3);
    for (const panel of dashboard.panels) {
      const { links } = panel.fieldConfig?.defaults ?? {};
      const urls = links?.map(({ url }: Loose) => url);
      const wanted = bySeries.includes(panel) ? [`${publicUrl}/cujs/\${__field.labels.cuj}`] : undefined;
      expect(urls, panel.title).toEqual(wanted);
    }
  });

  it('leads from the name of a CUJ in a table to its page', () => {
    const tables = dashboard.panels.filter(({ type }: Loose) => type === 'table');
    expect(tables.map(({ fieldConfig }: Loose) => fieldConfig.overrides)).toEqual([
      [
        {
          matcher: { id: 'byName', options: 'cuj' },
          properties: [
            {
              id: 'links',
              value: [expect.objectContaining({ url: `${publicUrl}/cujs/\${__value.raw}` })],
            },
          ],
        },
      ],
    ]);
  });
});

describe('messages', () => {
  it('of every Datadog monitor have the page of their CUJ, before those whom they notify', () => {
    for (const name of example.cujs.keys()) {
      const { resource } = JSON.parse(textOf(files, `terraform/cuj-${name}.tf.json`));
      for (const { message } of Object.values<Loose>(resource.datadog_monitor)) {
        expect(message).toMatch(
          new RegExp(`\nError budget and releases: ${publicUrl}/cujs/${name}\n\n@slack$`),
        );
      }
    }
  });

  it("of the Datadog dashboard have it in each CUJ's note", () => {
    const { description, widgets } = JSON.parse(textOf(files, 'terraform/cujs-dashboard.json.tftpl'));
    expect(description).toMatch(new RegExp(`Rollouts in progress: ${publicUrl}/$`));
    const notes = widgets.map(({ definition }: Loose) => definition.widgets[0].definition.content);
    for (const name of example.cujs.keys()) {
      const page = `[Error budget and releases](${publicUrl}/cujs/${name})`;
      expect(notes.filter((note: string) => note.includes(page))).toHaveLength(1);
    }
  });

  it('of Prometheus have it where the alert is about one CUJ', () => {
    const [{ groups }] = objects('prometheus/cuj-gate.rules.yaml');
    for (const { labels = {}, annotations } of groups.flatMap(({ rules }: Loose) => rules)) {
      expect(annotations.page_url).toBe(
        labels.cuj === undefined ? undefined : `${publicUrl}/cujs/${labels.cuj}`,
      );
    }
  });
});
