import { describe, expect, it } from 'vitest';
import { pathText, type RegistryInput } from '../../../src/domain/registry/findings.ts';
import { cujCalled, type Registry } from '../../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import type { AnyCujDocument } from '../../../src/domain/registry/schema.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';

const login: AnyCujDocument = {
  name: 'login',
  owner: 'team',
  service: 'api',
  slo: { availability: 99.9 },
  endpoints: ['POST /login'],
};

function input(cujs: AnyCujDocument[], file = 'r.yaml'): RegistryInput {
  const services = { api: { env: 'production', operation: 'http.request', canary: 'version:{version}' } };
  return { file, document: { apiVersion: 'cuj-gate/v1', ...(file === 'r.yaml' ? { services } : {}), cujs } };
}

function resolve(...inputs: RegistryInput[]) {
  return resolveRegistry(inputs, 'sha256:0', { dialect: datadogDialect });
}

function registryOf(...cujs: AnyCujDocument[]): Registry {
  const resolution = resolve(input(cujs));
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
  return resolution.registry;
}

function problems(...inputs: RegistryInput[]): string[] {
  const resolution = resolve(...inputs);
  return resolution.ok
    ? []
    : resolution.findings.map(
        ({ file, path, rule, message }) => `${file} ${pathText(path)} ${rule}: ${message}`,
      );
}

describe('aliases', () => {
  it('stand for the CUJ under its present name', () => {
    const registry = registryOf({ ...login, aliases: ['sign-in', 'log-in'] });
    expect([...registry.cujs.keys()]).toEqual(['login']);
    expect(cujCalled(registry, 'sign-in')?.name).toBe('login');
    expect(cujCalled(registry, 'log-in')?.name).toBe('login');
    expect(cujCalled(registry, 'signin')).toBeUndefined();
  });

  it('are no name and no alias of another CUJ, in any file, and both places are reported', () => {
    const other = { ...login, name: 'me', endpoints: ['GET /me'] };
    expect(problems(input([{ ...login, aliases: ['me'] }]), input([other], 'b.yaml'))).toEqual([
      'r.yaml cujs[0].aliases[0] duplicate-cuj: the alias "me" is used by cujs[0] of b.yaml as well',
      'b.yaml cujs[0].name duplicate-cuj: the CUJ name "me" is an alias of cujs[0] of r.yaml as well',
    ]);
    expect(
      problems(
        input([
          { ...login, aliases: ['old'] },
          { ...other, aliases: ['old'] },
        ]),
      ),
    ).toEqual([
      'r.yaml cujs[0].aliases[0] duplicate-cuj: the alias "old" is an alias of cujs[1] of r.yaml as well',
      'r.yaml cujs[1].aliases[0] duplicate-cuj: the alias "old" is an alias of cujs[0] of r.yaml as well',
    ]);
  });

  it('are not the name of their own CUJ', () => {
    expect(problems(input([{ ...login, aliases: ['login'] }]))).toHaveLength(2);
  });
});

describe('a retired CUJ', () => {
  const retired: AnyCujDocument = {
    name: 'checkout',
    owner: 'team-pay',
    aliases: ['buy'],
    retired: 'since 2026-12-01: merged into payment',
  };

  it('needs neither endpoints nor objectives, and is not among those that are judged', () => {
    const registry = registryOf(login, retired);
    expect([...registry.cujs.keys()]).toEqual(['login']);
    expect([...registry.retired.keys()]).toEqual(['checkout']);
    expect(cujCalled(registry, 'buy')).toMatchObject({
      name: 'checkout',
      retired: 'since 2026-12-01: merged into payment',
      endpoints: [],
      services: [],
      objectives: {},
    });
  });

  it('may refer to what the registry no longer has', () => {
    const registry = registryOf(login, {
      ...retired,
      service: 'gone',
      endpoints: ['POST /login'],
      slo: { latency: 99 },
    });
    // Its endpoints are not measured.
    expect(registry.batches[0]?.services.map(({ resources }) => resources)).toEqual([['post_/login']]);
    expect(registry.services.has('gone')).toBe(false);
  });

  it('keeps its name from other CUJs', () => {
    expect(problems(input([login, { name: 'login', owner: 'a', retired: 'gone' }]))[0]).toContain(
      'duplicate-cuj',
    );
  });

  it('is not enough for a registry', () => {
    expect(problems(input([retired]))).toEqual([
      'r.yaml cujs no-cujs: all CUJs of the registry are retired, so there is nothing to judge a release by',
    ]);
  });
});
