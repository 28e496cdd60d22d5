import { describe, expect, it } from 'vitest';
import { checkCounter } from '../../src/doctor/check-counter.ts';
import { checkSelectors } from '../../src/doctor/check-selectors.ts';
import type {
  AbsentCounter,
  BackendFacts,
  CounterFacts,
  ServiceFacts,
} from '../../src/domain/ports/backend-facts.ts';
import type { Service } from '../../src/domain/registry/model.ts';
import { document, registryOf } from '../sources/prometheus/traffic.ts';

const cujs = (gate: object = {}, more: object = {}) => [
  { ...document.cujs?.[0], gate, ...more } as NonNullable<typeof document.cujs>[0],
];

function findings(
  changes: Partial<CounterFacts> = {},
  gate: object = { minFaultDuration: '45s' },
  more: object = {},
) {
  const registry = registryOf({ ...document, cujs: cujs(gate, more) });
  const all = (values: Record<string, number>) => new Map(Object.entries(values));
  const counter: CounterFacts = {
    metric: 'http_requests_total',
    serviceLabel: 'job',
    serviceValues: new Map(),
    series: 100,
    labels: new Map([
      ['method', all({ POST: 60, GET: 40 })],
      ['route', all({ '/Orders/{id}': 100 })],
      ['code', all({ '200': 90, '404': 10 })],
      ['version', all({ V1: 100 })],
    ]),
    labelNames: ['job', 'code', 'method', 'route', 'version'],
    scrapeMs: 15_000,
    newestAgeMs: 20_000,
    oldestDays: 90,
    missingDays: undefined,
    ...changes,
  };
  return checkCounter(registry, registry.services.get('orders') as Service, counter).map(
    ({ check, severity, message, fix }) => ({ check, severity, message, fix }),
  );
}

const labelNames = ['code', 'method', 'reporter', 'route', 'version', 'service_name'];
/** A counter without a series of the service, and what there is. */
const absent = (more: Partial<AbsentCounter> = {}): AbsentCounter => ({
  serviceValue: 'orders',
  labelNames,
  unmatched: [],
  labelsOfName: [],
  counters: new Set(),
  ...more,
});

const checks = (...args: Parameters<typeof findings>) =>
  findings(...args)
    .map(({ check, severity }) => `${severity} ${check}`)
    .filter((one) => one !== 'info status-values');

describe('the counter of a service', () => {
  it('is sound', () => {
    expect(checks()).toEqual([]);
  });

  it.each([
    ['', 'metric-missing', {}],
    ['shop', 'service-without-series', { serviceValues: new Map([['shop', 3]]) }],
    ['orders', 'service-without-series', { serviceValues: new Map([['orders', 3]]) }],
  ])('is not there (%s)', (_, check, part) => {
    expect(checks({ series: 0, ...part })).toEqual([`error ${check}`]);
  });

  it.each([
    [
      'a label',
      'reportr="source"',
      'reportr',
      { '': 3 },
      /none with reportr="source"/,
      'No series has the label reportr. Did you mean reporter?',
    ],
    [
      'a value',
      'reporter="sorce"',
      'reporter',
      { source: 2, '': 1 },
      /none with reporter="sorce"/,
      'Did you mean source? reporter has the value source.',
    ],
  ])('has a matcher of %s that is not there', (_, text, label, values, message, fix) => {
    const unmatched = [
      { text, label, value: text.split('"')[1] as string, values: new Map(Object.entries(values)) },
    ];
    const serviceValues = new Map([['orders', 3]]);
    expect(findings({ series: 0, serviceValues, absent: absent({ unmatched }) })).toMatchObject([
      { check: 'service-without-series', message: expect.stringMatching(message), fix },
    ]);
  });

  it.each([
    [
      'another label',
      {
        metric: 'istio_requests_total',
        serviceValues: new Map([
          ['envoy-stats', 4],
          ['istio-gateway', 4],
        ]),
      },
      absent({ labelsOfName: ['destination_app', 'destination_service_name'] }),
      'job has the values envoy-stats, istio-gateway',
      'orders is a value of destination_service_name (and of destination_app): use preset:istio, or destination_service_name="{service}".',
    ],
    [
      'the same label with a text before it',
      {
        serviceValues: new Map([
          ['shop/orders', 4],
          ['shop/carts', 4],
        ]),
      },
      absent({ labelsOfName: ['app'] }),
      'job has the value shop/orders',
      'Did you mean shop/orders? Name the service as the label job has it. Or: orders is a value of app: use app="{service}".',
    ],
    [
      'a label that is misspelt',
      { serviceLabel: 'servce_name' },
      absent({ labelsOfName: ['service_name'] }),
      'has the label servce_name, by which',
      'Did you mean service_name? orders is a value of service_name: use service_name="{service}".',
    ],
    [
      'the counter of a preset',
      {},
      absent({ labelNames: undefined, counters: new Set(['istio_requests_total']) }),
      'there is no series http_requests_total',
      'Check the name of the counter in the source, and that its processes are scraped. Counters of presets that are there: istio_requests_total (preset:istio).',
    ],
  ])('has the service in %s', (_, part, of, message, fix) => {
    expect(findings({ series: 0, ...part, absent: of })).toMatchObject([
      { message: expect.stringContaining(message), fix },
    ]);
  });

  it('suggests the label that is nearest to one that no series has', () => {
    const labels = new Map([['code', new Map([['', 100]])]]);
    const fix =
      'Did you mean response_code? Tell failures by a label that all series have: response_code, app, job.';
    expect(findings({ labels, labelNames: ['job', 'app', 'response_code'] })).toMatchObject([{ fix }]);
  });

  it.each([0, 500])('suggests the label of the version, with its values, after %d hits', (total) => {
    const registry = registryOf({
      ...document,
      cujs: cujs(),
      services: { orders: { ...document.services?.orders, canary: 'destination_verison:{version}' } },
    });
    const counters = new Map([
      [
        'orders',
        {
          labels: new Map([
            ['destination_verison', new Map([['', 4]])],
            [
              'destination_version',
              new Map([
                ['v1', 2],
                ['v2', 2],
              ]),
            ],
          ]),
          labelNames: ['destination_service', 'destination_version'],
        },
      ],
    ]);
    const found = { total, selectorValues: new Map() } as unknown as ServiceFacts;
    const facts = { counters } as unknown as BackendFacts;
    expect(checkSelectors(facts, registry.services.get('orders') as Service, found)).toMatchObject([
      {
        check: 'selector-tag-missing',
        message: expect.stringMatching(
          /^no series of orders has the label destination_verison of the canary/,
        ),
        fix: 'Did you mean destination_version (v1, v2)?',
      },
    ]);
  });

  it.each([
    ['code', 2, 'error status-label-missing'],
    ['route', 50, 'warning group-label-missing'],
    ['route', 100, 'error group-label-missing'],
    ['route', 1, undefined],
  ])('lacks %s on %d series', (label, without, expected) => {
    const labels = new Map([[label, new Map([['', without]])]]);
    expect(checks({ labels })).toEqual(expected === undefined ? [] : [expected]);
  });

  it.each([
    [15_000, []],
    [30_000, ['warning scrape-interval']],
    [60_000, ['warning scrape-interval']],
    [70_000, ['error scrape-interval']],
  ])('is scraped every %d ms', (scrapeMs, expected) => {
    expect(checks({ scrapeMs })).toEqual(expected);
  });

  it('says which lag allows for the scrapes', () => {
    const fixes = findings({ scrapeMs: 15_000, newestAgeMs: 82_000 }, {}).map(({ fix }) => fix);
    expect(fixes).toContainEqual(expect.stringContaining('gate.lag: 70s'));
  });

  it('has samples that are only one scrape late', () => {
    expect(checks({ newestAgeMs: 59_000 })).toEqual([]);
    expect(checks({ newestAgeMs: 61_000 })).toEqual(['warning lag-too-short']);
  });

  it.each([
    [7, 30, ['info slo-window-over-data']],
    [30, 90, []],
  ])('has data of %d days', (oldestDays, missingDays, expected) => {
    expect(checks({ oldestDays, missingDays })).toEqual(expected);
  });

  it.each([
    [['5xx', 401], true],
    [['5xx', '4xx'], false],
  ])('has classes of which %j names single statuses: %s', (failure, expected) => {
    const labels = new Map([
      ['method', new Map([['POST', 100]])],
      ['route', new Map([['/Orders/{id}', 100]])],
      ['code', new Map(Object.entries({ '2xx': 90, '4xx': 10 }))],
      ['version', new Map([['V1', 100]])],
    ]);
    const found = findings({ labels }, undefined, { failure }).filter(({ severity }) => severity === 'error');
    expect(found.map(({ message }) => message)).toEqual(
      expected
        ? [
            'code of http_requests_total has the value 4xx: a failure by 5xx, 401 cannot be told from other statuses of its class',
          ]
        : [],
    );
  });

  it('never answers with a status that is among the failures of an endpoint', () => {
    const statuses = new Map([
      ['POST /Orders/{id}', new Map(Object.entries({ '200': 900, '401': 90 }))],
      ['', new Map([['422', 5]])],
    ]);
    const endpoints = ['POST /Orders/{id}', { method: 'GET', path: '/Orders/{id}/Items', failure: '5xx' }];
    const unseen = (failure: unknown) =>
      findings({ statuses }, undefined, { failure, endpoints }).filter(
        ({ check }) => check === 'failure-status-unseen',
      );
    expect(unseen(['5xx', 422])[0]?.message).toBe(
      'POST /Orders/{id} answered with 200 (900), 401 (90) in the last day, and never with 422, which is among its failures (5xx, 422)',
    );
    expect(unseen(['5xx', 401])).toEqual([]);
  });
});
