import type { Registry } from '../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../src/domain/registry/resolve.ts';
import { prometheusDialect } from '../../src/sources/prometheus/query/dialect.ts';
import type { Loose } from './example.ts';

/** A registry that Prometheus measures: a source of its own, Istio's with gRPC, a CUJ over two services. */
export const document: Loose = {
  apiVersion: 'cuj-gate/v1',
  defaults: { slo: { availability: 99.9, window: '7d' } },
  sources: {
    app: {
      total: 'http_requests_total{job="{service}",env="{env}"}',
      bad: 'http_requests_total{job="{service}",env="{env}",code=~"5.."}',
      groupBy: 'method/route',
    },
    mesh: { total: 'preset:istio', bad: 'preset:istio' },
  },
  services: {
    orders: { env: 'prod', source: 'app', canary: 'version:{version}' },
    'pay"ments': { env: 'prod', source: 'app', canary: 'version:{version}' },
    catalog: { env: 'prod', source: 'mesh', canary: 'destination_version:{version}' },
  },
  cujs: [
    {
      name: 'buy',
      title: 'Buy {{{ now }}}',
      owner: 'team-{{orders}}',
      tier: 1,
      runbook: 'https://wiki.example.com/buy',
      errorBudgetPolicy: [
        { below: '50%', action: 'Talk about it' },
        { below: '0%', action: 'Freeze' },
      ],
      endpoints: [
        { service: 'orders', method: 'POST', path: '/orders' },
        { service: 'orders', method: 'GET', path: '/orders/{id}' },
        { service: 'orders', method: 'GET', path: '/odd path' },
        { service: 'pay"ments', method: 'POST', path: '/pay' },
      ],
    },
    { name: 'browse', owner: 'team-catalog', service: 'catalog', endpoints: '*' },
  ],
};

/** The same with latency: thresholds in seconds and in milliseconds. */
export const timedDocument: Loose = {
  ...document,
  defaults: { slo: { availability: 99.9, latency: 99, window: '7d' } },
  sources: {
    app: { ...document.sources.app, duration: 'http_seconds_bucket{job="{service}",env="{env}"}' },
    mesh: { ...document.sources.mesh, duration: 'preset:istio' },
  },
  cujs: [
    {
      ...document.cujs[0],
      endpoints: document.cujs[0].endpoints.map((one: Loose, i: number) => ({
        ...one,
        ...([{ latencyMs: 250 }, { latencyMs: 250 }, {}, { latencyMs: 1000 }][i] as Loose),
      })),
    },
    { ...document.cujs[1], latencyMs: 500 },
  ],
};

/** The same with a native histogram in seconds, and thresholds that all of its resolutions have. */
export const nativeDocument: Loose = {
  ...timedDocument,
  sources: {
    ...timedDocument.sources,
    app: { ...document.sources.app, duration: 'http_seconds{job="{service}",env="{env}"}' },
  },
};

export function registryOf(of: Loose = document): Registry {
  const resolution = resolveRegistry([{ file: 'cujs.yaml', document: of }], `sha256:${'0'.repeat(64)}`, {
    dialect: prometheusDialect,
  });
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings, null, 2));
  return resolution.registry;
}
