import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadRegistries, loadRegistry } from '../../src/registry-files/load.ts';
import { createRegistryWatcher } from '../../src/registry-files/watch.ts';
import { scratchFile, scratchFolder } from './scratch.ts';

const shared = `apiVersion: cuj-gate/v1
environments:
  staging: { env: stg, tags: { region: eu } }
  production: { env: prod }
`;
const team = `apiVersion: cuj-gate/v1
services:
  shop:
    operation: express.request
    canary: version:{version}
cujs:
  - name: buy
    owner: team-shop
    service: shop
    slo: { availability: 99.9 }
    endpoints: [POST /orders]
    environments:
      staging:
        slo: { availability: 99 }
`;

async function problemsOf(files: Readonly<Record<string, string>>) {
  const path = scratchFolder(files);
  const result = await loadRegistries(path);
  return result.ok
    ? []
    : result.problems.map(
        ({ file, line, column, rule, fix }) =>
          `${file.slice(path.length + 1)}:${line}:${column} ${rule} ${fix}`,
      );
}

describe('a problem of an environment has the line and column of what is written', () => {
  it('in an override', async () => {
    const spoiled = team.replace('availability: 99 }', 'availability: 0.99 }');
    expect(await problemsOf({ 'a.yaml': shared, 'b.yaml': spoiled })).toEqual([
      expect.stringMatching(/^b\.yaml:14:30 percent-not-ratio /),
    ]);
  });

  it('in the environment, which another file has than the service', async () => {
    const spoiled = shared.replace('region: eu', 'region: eu_');
    expect(await problemsOf({ 'a.yaml': spoiled, 'b.yaml': team })).toEqual([
      expect.stringMatching(/^a\.yaml:3:40 tag-value /),
    ]);
  });

  it('in a name that nobody defined, with the nearest that is', async () => {
    const spoiled = team.replace('      staging:', '      stagin:');
    expect(await problemsOf({ 'a.yaml': shared, 'b.yaml': spoiled })).toEqual([
      expect.stringMatching(/^b\.yaml:13:7 unknown-environment Did you mean staging\?/),
    ]);
  });

  it('where the schema refuses it, and nothing else is said to be wrong because of it', async () => {
    const spoiled = shared.replace('env: prod', 'env: Production');
    expect(await problemsOf({ 'a.yaml': spoiled, 'b.yaml': team })).toEqual([
      expect.stringMatching(/^a\.yaml:4:22 pattern /),
    ]);
    const override = team.replace('availability: 99 }', 'availability: high }');
    expect(await problemsOf({ 'a.yaml': shared, 'b.yaml': override })).toEqual([
      expect.stringMatching(/^b\.yaml:14:30 type /),
    ]);
    const list = shared.replace(/environments:[\s\S]*$/, 'environments: [staging, production]\n');
    expect(await problemsOf({ 'a.yaml': list, 'b.yaml': team })).toEqual([
      expect.stringMatching(/^a\.yaml:2:15 type /),
    ]);
  });
});

describe('a registry that is read for one environment', () => {
  const whole = shared + team.replace('apiVersion: cuj-gate/v1\n', '');

  it('is that one alone', async () => {
    const loaded = await loadRegistry(scratchFile(whole), { environment: 'staging' });
    expect(loaded.ok && [...loaded.registries.byEnvironment.keys()]).toEqual(['staging']);
    expect(loaded.ok && loaded.registry.services.get('shop')).toMatchObject({
      env: 'stg',
      tags: [{ key: 'region', value: 'eu' }],
    });
  });

  it.each([
    [undefined, 'environment-not-chosen', /staging, production, and none is chosen/, /--environment staging/],
    ['prodction', 'unknown-environment', /no environment "prodction"/, /Did you mean production\?/],
  ])('is a problem where %s is chosen', async (environment, rule, message, fix) => {
    const loaded = await loadRegistry(scratchFile(whole), { environment });
    expect(loaded).toMatchObject({
      ok: false,
      problems: [{ rule, message: expect.stringMatching(message), fix: expect.stringMatching(fix) }],
    });
  });

  it('is a problem where the registry has none', async () => {
    const plain = team
      .replace('    operation', '    env: prod\n    operation')
      .replace(/ {4}environments:[\s\S]*$/, '');
    expect(await loadRegistry(scratchFile(plain), {})).toMatchObject({ ok: true });
    expect(await loadRegistry(scratchFile(plain), { environment: 'staging' })).toMatchObject({
      ok: false,
      problems: [{ rule: 'unknown-environment', message: expect.stringMatching(/has no environments/) }],
    });
  });

  it('keeps its previous version where a change removes the environment that the gate answers for', async () => {
    const path = scratchFile(whole);
    const initial = await loadRegistries(path, { environment: 'staging' });
    if (!initial.ok) throw new Error('the registry is good');
    const watcher = createRegistryWatcher({ path, initial, environment: 'staging' });
    writeFileSync(path, whole.replaceAll('staging', 'preview'));
    expect([await watcher.poll(), await watcher.poll()]).toEqual(['settling', 'refused']);
    expect(watcher.lastFailure()?.problems[0]?.rule).toBe('unknown-environment');
    expect([...watcher.current().registries.byEnvironment.keys()]).toEqual(['staging']);
  });
});
