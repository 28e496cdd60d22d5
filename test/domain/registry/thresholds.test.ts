import { expect, it } from 'vitest';
import { pathText } from '../../../src/domain/registry/findings.ts';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import type { RegistryDocument } from '../../../src/domain/registry/schema.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';

it('a threshold below a millisecond is warned of, where it is written: most likely it is in seconds', () => {
  const document: RegistryDocument = {
    apiVersion: 'cuj-gate/v1',
    defaults: { slo: { availability: 99.9, latency: 99 } },
    services: { api: { env: 'production', operation: 'http.request', canary: 'version:{version}' } },
    cujs: [
      { name: 'buy', owner: 'team', service: 'api', latencyMs: 0.3, endpoints: ['POST /buy'] },
      {
        name: 'see',
        owner: 'team',
        service: 'api',
        latencyMs: 1,
        endpoints: ['GET /see', { method: 'GET', path: '/list', latencyMs: 0.25 }],
      },
      { name: 'gone', owner: 'team', retired: 'merged' },
    ],
  };
  const resolved = resolveRegistry([{ file: 'r.yaml', document }], 'sha256:0', { dialect: datadogDialect });
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.findings));
  expect(resolved.warnings.map(({ rule, path, fix }) => `${pathText(path)} ${rule}: ${fix}`)).toEqual([
    'cujs[0].latencyMs threshold-in-seconds: Write latencyMs: 300, if 0.3 s are meant.',
    'cujs[1].endpoints[1].latencyMs threshold-in-seconds: Write latencyMs: 250, if 0.25 s are meant.',
  ]);
});
