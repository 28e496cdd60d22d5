import { describe, expect, it } from 'vitest';
import type { RegistrySet } from '../../src/domain/registry/model.ts';
import { changesOfRegistries, newRegistry } from '../../src/pull-request/registry-changes.ts';
import { loadDocument } from '../../src/registry-files/load.ts';

async function registryOf(text: string): Promise<RegistrySet> {
  const { result } = await loadDocument('cujs.yaml', Buffer.from(text));
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.registries;
}

const top = `apiVersion: cuj-gate/v1
services:
  shop: { env: prod, operation: http.request, canary: "version:{version}" }
cujs:
`;
const cuj = (name: string, rest = 'slo: { availability: 99.95 }') =>
  `  - { name: ${name}, owner: team, service: shop, endpoints: [GET /a, GET /b], ${rest} }\n`;

async function changes(before: string, after: string) {
  return changesOfRegistries(await registryOf(before), await registryOf(after));
}

describe('what a change of the registry does', () => {
  it('says what an objective means in requests, in outage and in what a pass proves', async () => {
    expect(await changes(top + cuj('buy'), top + cuj('buy', 'slo: { availability: 99.9 }'))).toEqual([
      {
        title: '**changed** `buy`',
        details: [
          'availability objective **99.95% → 99.9%**: 1,000 of 1,000,000 requests may fail instead of 500',
          'its error budget over 30d is 2 times as much: 43.2 min of a full outage instead of 21.6 min',
          'a proven pass rules out that 1.5% fail instead of 0.72%',
        ],
      },
    ]);
    const [tighter] = await changes(
      top + cuj('buy', 'slo: { availability: 99 }'),
      top + cuj('buy', 'slo: { availability: 99.9 }'),
    );
    expect(tighter?.details[1]).toBe(
      'its error budget over 30d is 10 times less: 43.2 min of a full outage instead of 7.2 h',
    );
  });

  it('tells added, removed, renamed and retired CUJs apart', async () => {
    const before = top + cuj('buy') + cuj('search') + cuj('like') + cuj('login');
    const after =
      top +
      cuj('purchase', 'aliases: [buy], slo: { availability: 99.95 }') +
      `  - { name: like, owner: team, retired: "the feature is gone" }\n` +
      cuj('login') +
      cuj('report', 'mode: observe, slo: { availability: 99.5 }');
    expect((await changes(before, after)).map(({ title }) => title)).toEqual([
      '**renamed** `buy` to `purchase`',
      '**removed** `search`',
      '**retired** `like`: `the feature is gone`',
      '**added** `report` of `team`: it only reports (`mode: observe`)',
    ]);
  });

  it('names endpoints, rules, windows, enforcement, owners and budget policies that change', async () => {
    const after = `  - name: buy
    owner: "@someone-else"
    service: shop
    mode: observe
    slo: { availability: 99.95, window: 7d }
    gate: { rule: strict }
    endpoints: [GET /a, POST /c]
    errorBudgetPolicy: [{ below: 20%, action: Freeze, gate: strict }]
`;
    const [change] = await changes(top + cuj('buy'), top + after);
    expect(change?.details).toEqual([
      '`slo.window`: `30d` → `7d`',
      '`mode`: `enforce` → `observe`: **it only reports from now on, and aborts nothing**',
      '`gate.rule`: `confidence` → `strict`',
      'endpoints added: `POST /c`',
      'endpoints removed: `GET /b`: their errors no longer count',
      '`owner`: `team` → `@someone-else`',
      '`errorBudgetPolicy`: `none` → `below 20%: Freeze (gate: strict)`',
    ]);
  });

  it('says once what holds in all environments, and where the rest holds', async () => {
    const text = (availability: number, staging: number) => `apiVersion: cuj-gate/v1
environments: { staging: { env: stg }, live: { env: prod } }
services:
  shop: { operation: http.request, canary: "version:{version}" }
cujs:
  - name: buy
    owner: team
    service: shop
    slo: { availability: 99 }
    endpoints: [GET /a]
    environments: { staging: { slo: { availability: ${staging} } } }
  - { name: look, owner: team, service: shop, slo: { availability: ${availability} }, endpoints: [GET /b] }
`;
    expect((await changes(text(99, 98), text(98, 97))).map(({ title }) => title)).toEqual([
      '**changed** `buy` (`staging` only)',
      '**changed** `look`',
    ]);
    const less = text(99, 98)
      .replace(/environments: \{ staging: \{ env: stg \}, /, 'environments: { ')
      .replace(/ {4}environments: .*\n/, '');
    expect((await changes(text(99, 98), less))[0]?.title).toBe('**environments removed**: `staging`');
  });

  it('finds nothing in a comment, and lists what is new', async () => {
    expect(await changes(top + cuj('buy'), `# note\n${top}${cuj('buy')}`)).toEqual([]);
    expect(newRegistry(await registryOf(top + cuj('buy')))).toEqual([
      {
        title: '**added** `buy` of `team`: it can abort rollouts',
        details: [
          'availability 99.95% over 30d: 500 of 1,000,000 requests may fail. A proven pass rules out that 0.72% do',
          'rule `confidence`, over 2 endpoints of `shop`: `GET /a`, `GET /b`',
        ],
      },
    ]);
  });
});
