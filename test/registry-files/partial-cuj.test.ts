import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadRegistry } from '../../src/registry-files/load.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'cuj-gate-fix-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Rules of all problems of a registry with one service and this CUJ. */
async function rulesOf(cuj: string): Promise<string[]> {
  const file = path.join(folder, 'cujs.yaml');
  writeFileSync(
    file,
    `apiVersion: cuj-gate/v1
services: { api: { env: prod, operation: http.request, canary: "version:{version}" } }
cujs:
  - ${cuj.split('\n').join('\n    ')}
`,
  );
  const result = await loadRegistry(file);
  return result.ok ? [] : result.problems.map(({ rule }) => rule).sort();
}

describe('a CUJ with a schema problem is still checked for everything else', () => {
  it.each([
    [
      'a number out of range hides neither a lag nor an endpoint that stands twice',
      'name: login\nowner: t\nservice: api\nslo: { availability: 99.9 }\ngate: { falseAbort: 0.9, lag: 10s }\nendpoints: [GET /a, GET /a]',
      ['duplicate-endpoint', 'lag-range', 'range'],
    ],
    [
      'a malformed endpoint does not hide a route in two styles',
      'name: login\nowner: t\nservice: api\nslo: { availability: 99.9 }\nendpoints: ["/a", "GET /b/:id", "GET /c/{id}"]',
      ['mixed-route-parameters', 'pattern'],
    ],
    [
      'an unknown key raises no complaint about what it may have been meant for',
      'name: login\nowner: t\nservice: api\nslo: { availabilty: 99.9 }\nendpoints: [GET /a]',
      ['unknown-key'],
    ],
    [
      'a threshold that is none is not also a missing one',
      'name: login\nowner: t\nservice: api\nslo: { latency: 99 }\nendpoints: [{ method: GET, path: /a, latencyMs: fast }]',
      ['type'],
    ],
    [
      'a missing owner hides nothing',
      'name: login\nservice: api\nslo: { availability: 99.9999 }\nendpoints: [GET /a]',
      ['missing-key', 'percent-decimals'],
    ],
  ])('%s', async (_, cuj, rules) => {
    expect(await rulesOf(cuj)).toEqual(rules);
  });
});

it('a service with a schema problem is still checked for its selectors and its source', async () => {
  const file = path.join(folder, 'services.yaml');
  writeFileSync(
    file,
    `apiVersion: cuj-gate/v1
services: { api: { env: PROD, source: nowhere, canary: "version={version}", stable: "role" } }
cujs: [{ name: login, owner: t, service: api, slo: { availability: 99.9 }, endpoints: "*" }]
`,
  );
  const result = await loadRegistry(file);
  expect(result.ok ? [] : result.problems.map(({ rule }) => rule).sort()).toEqual([
    'pattern',
    'selector',
    'selector',
    'unknown-source',
  ]);
});
