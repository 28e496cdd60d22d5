import { describe, expect, it } from 'vitest';
import { checkCounter } from '../../src/doctor/check-counter.ts';
import type { CounterFacts } from '../../src/domain/ports/backend-facts.ts';
import type { Service } from '../../src/domain/registry/model.ts';
import { document, registryOf } from '../sources/prometheus/traffic.ts';

const cujs = (gate: object = {}) => [{ ...document.cujs?.[0], gate } as NonNullable<typeof document.cujs>[0]];

function findings(changes: Partial<CounterFacts> = {}, gate: object = { minFaultDuration: '45s' }) {
  const registry = registryOf({ ...document, cujs: cujs(gate) });
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
    ({ check, severity, fix }) => ({ check, severity, fix }),
  );
}

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
});
