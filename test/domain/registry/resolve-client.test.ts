import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { pathText } from '../../../src/domain/registry/findings.ts';
import {
  isJudgedInReleaseOf,
  releasedServicesOf,
  servicesReleasedWith,
} from '../../../src/domain/registry/model.ts';
import { resolveRegistry } from '../../../src/domain/registry/resolve.ts';
import { datadogDialect } from '../../../src/sources/datadog/query/dialect.ts';
import { prometheusDialect } from '../../../src/sources/prometheus/query/dialect.ts';
import { type Loose, registryOf } from '../../generate/example.ts';

const text = readFileSync('test/testdata/client-registry.yaml', 'utf8');
const good = (): Loose => parse(text);

/** The findings of the document after a change, as path and rule. */
function findings(change: (document: Loose) => void, dialect = datadogDialect): string[] {
  const document = good();
  change(document);
  const resolution = resolveRegistry([{ file: 'cujs.yaml', document }], 'sha256:0', { dialect });
  return resolution.ok ? [] : resolution.findings.map(({ path, rule }) => `${pathText(path)} ${rule}`);
}

describe('the client side of a CUJ', () => {
  it('is endpoints of the client, with what fails on them', () => {
    const cuj = registryOf(good()).cujs.get('signup');
    expect(cuj?.services).toEqual(['shop', 'member-api', 'shop-web']);
    expect(cuj?.endpoints.filter(({ service }) => service === 'shop-web')).toEqual([
      {
        service: 'shop-web',
        resource: 'view:/signup',
        label: 'view /signup',
        latencyMs: undefined,
        releasedWith: 'shop',
        failure: {
          text: 'views: error, frustration, slow 4s',
          by: { kind: 'client', event: 'view', signals: ['error', 'frustration'], slowMs: 4000 },
        },
      },
      // Datadog writes a tag's value without special characters at its end.
      expect.objectContaining({ resource: 'view:/signup/', label: 'view /signup/?' }),
      expect.objectContaining({ resource: 'action:submit_sign-up', label: 'action Submit sign-up' }),
    ]);
  });

  it('fails by errors where nothing is said', () => {
    const browse = registryOf(good()).cujs.get('browse');
    expect(browse?.endpoints.flatMap(({ failure }) => failure?.text ?? [])).toEqual([
      'views: error',
      'views: error',
    ]);
  });

  it('leaves the endpoints of servers as they are, and CUJs without one without its objective', () => {
    const document = good();
    delete document.cujs[1].client;
    const { cujs } = registryOf(document);
    expect(cujs.get('browse')?.objectives).not.toHaveProperty('client');
    expect(cujs.get('browse')?.endpoints).toEqual([
      { service: 'shop', resource: 'get_/', label: 'GET /', latencyMs: undefined },
    ]);
  });

  it('is released with the service that the client names', () => {
    const cuj = registryOf(good()).cujs.get('signup');
    if (cuj === undefined) throw new Error('no signup');
    expect(releasedServicesOf(cuj)).toEqual(['shop', 'member-api']);
    expect(servicesReleasedWith(cuj, 'shop')).toEqual(['shop', 'shop-web']);
    expect(servicesReleasedWith(cuj, 'member-api')).toEqual(['member-api']);
    expect(isJudgedInReleaseOf(cuj, 'payment-api')).toBe(false);
  });
});

describe('what cannot be right', () => {
  const ofWeb = (change: (web: Loose) => void) => (document: Loose) => change(document.services['shop-web']);
  const ofClient = (change: (client: Loose) => void) => (document: Loose) => change(document.cujs[0].client);

  it.each<[string, (document: Loose) => void, string[]]>([
    [
      'a quote in a name',
      ofClient((of) => of.views.push('say "hi"')),
      ['cujs[0].client.views[2] client-name-unsafe'],
    ],
    ['a backslash', ofClient((of) => of.views.push('a\\')), ['cujs[0].client.views[2] client-name-unsafe']],
    [
      'a wildcard',
      ofClient((of) => of.views.push('/orders/*')),
      ['cujs[0].client.views[2] client-name-unsafe'],
    ],
    ['a line end', ofClient((of) => of.views.push('a\nb')), ['cujs[0].client.views[2] client-name-unsafe']],
    [
      'an invisible character',
      ofClient((of) => of.views.push('a\u200bb')),
      ['cujs[0].client.views[2] client-name-unsafe'],
    ],
    [
      'a space at an end',
      ofClient((of) => of.actions.push('Pay ')),
      ['cujs[0].client.actions[1] client-name-unsafe'],
    ],
    [
      'letters that no query can hold',
      ofClient((of) => of.actions.push('登録')),
      ['cujs[0].client.actions[1] client-name-unsafe'],
    ],
    [
      'nothing that is stored',
      ofClient((of) => of.actions.push('???')),
      ['cujs[0].client.actions[1] client-name-unsafe'],
    ],
    [
      'a name twice',
      ofClient((of) => of.views.push('/signup')),
      ['cujs[0].client.views[2] duplicate-client-name'],
    ],
    [
      'two names that are stored as one',
      ofClient((of) => of.actions.push('submit SIGN-UP')),
      ['cujs[0].client.actions[1] duplicate-client-name'],
    ],
    [
      'the same in another CUJ',
      (of) => of.cujs[1].client.views.push('/SIGNUP'),
      ['cujs[1].client.views[2] duplicate-client-name'],
    ],
    [
      'something that fails twice',
      ofClient((of) => of.fails.push('error')),
      ['cujs[0].client.fails[3] duplicate-fails'],
    ],
    [
      'two limits',
      (of) => {
        of.cujs[1].client.fails = [{ slow: '2s' }, { slow: '900ms' }];
      },
      ['cujs[1].client.fails[1] duplicate-fails'],
    ],
    [
      'no names',
      (of) => {
        of.cujs[1].client = { service: 'shop-web' };
      },
      ['cujs[1].client client-without-names'],
    ],
    [
      'a client that nobody defined',
      ofClient((of) => {
        of.service = 'shop-wep';
      }),
      ['cujs[0].client.service unknown-service'],
    ],
    [
      'a server as a client',
      ofClient((of) => {
        of.service = 'shop';
      }),
      ['cujs[0].client.service client-without-application'],
    ],
    [
      'a client as a server',
      (of) => {
        of.cujs[0].service = 'shop-web';
      },
      ['cujs[0].service endpoint-of-client'],
    ],
    [
      'an objective without a client',
      (of) => {
        delete of.cujs[1].client;
        of.cujs[1].slo = { client: 99 };
      },
      ['cujs[1].slo.client objective-without-client'],
    ],
    [
      'a client without an objective',
      (of) => {
        delete of.defaults.slo.client;
      },
      ['cujs[0].client client-without-objective', 'cujs[1].client client-without-objective'],
    ],
    [
      'endpoints that nothing judges',
      (of) => {
        of.defaults.slo = { client: 98 };
        of.cujs[1].slo = { availability: 99.9 };
      },
      ['cujs[0] no-objective'],
    ],
    [
      'an operation of a client',
      ofWeb((of) => {
        of.operation = 'rum';
      }),
      ['services.shop-web.operation field-of-server'],
    ],
    [
      'a failure of a client',
      ofWeb((of) => {
        of.failure = 'errors';
      }),
      ['services.shop-web.failure field-of-server'],
    ],
    [
      'a release with a service that nobody defined',
      ofWeb((of) => {
        of.releasedWith = 'shopp';
      }),
      ['services.shop-web.releasedWith unknown-service'],
    ],
    [
      'a release with itself',
      ofWeb((of) => {
        of.releasedWith = 'shop-web';
      }),
      ['services.shop-web.releasedWith released-with-client'],
    ],
    [
      'a release without an application',
      (of) => {
        of.services.shop.releasedWith = 'member-api';
      },
      ['services.shop.releasedWith released-with-without-application'],
    ],
    [
      'a client without its application, once',
      ofWeb((of) => {
        delete of.application;
      }),
      ['services.shop-web application-missing'],
    ],
    [
      'a client without its application that only a CUJ names as one',
      ofWeb((of) => {
        delete of.application;
        delete of.releasedWith;
        of.source = 'trace';
      }),
      ['services.shop-web application-missing'],
    ],
    [
      'parameters that its rollouts do not send',
      ofWeb((of) => {
        of.canary = 'version:{client_version}';
      }),
      ['services.shop-web.canary released-with-parameters'],
    ],
    [
      'parameters of stable that its rollouts do not send',
      (of) => {
        delete of.services.shop.stable;
      },
      ['services.shop-web.stable released-with-parameters'],
    ],
    [
      'one application under two names',
      (of) => {
        of.services['shop-app'] = { ...of.services['shop-web'] };
      },
      ['services.shop-app.application duplicate-application'],
    ],
  ])('is reported: %s', (_, change, expected) => {
    expect(findings(change)).toEqual(expected);
  });

  it('names the letters of a name that no query can hold', () => {
    const document = good();
    document.cujs[0].client.actions = ['Jetzt kaufen für 5 €'];
    const resolution = resolveRegistry([{ file: 'cujs.yaml', document }], 'sha256:0', {
      dialect: datadogDialect,
    });
    if (resolution.ok) throw new Error('the name was not refused');
    expect(resolution.findings[0]?.fix).toContain('without ü');
  });

  it('is a client where the backend measures none', () => {
    expect(findings(() => {}, prometheusDialect)).toContain(
      'services.shop-web.application client-unsupported',
    );
  });

  it('is measured by the backend that counts clients, whichever that of the process is', () => {
    const document = good();
    document.sources = { mesh: { total: 'preset:istio', bad: 'preset:istio' } };
    document.services.shop = { env: 'production', source: 'mesh', canary: 'destination_version:{version}' };
    delete document.services['shop-web'].stable;
    document.services['shop-web'].canary = 'version:{version}';
    document.cujs = [{ ...document.cujs[0], slo: { client: 98, availability: 99 }, endpoints: '*' }];
    const resolution = resolveRegistry([{ file: 'cujs.yaml', document }], 'sha256:0', {
      dialect: prometheusDialect,
      dialects: { datadog: datadogDialect, prometheus: prometheusDialect },
    });
    if (!resolution.ok) throw new Error(JSON.stringify(resolution.findings));
    const { services } = resolution.registry;
    expect(services.get('shop')?.dialect.backend).toBe('Prometheus');
    expect(services.get('shop-web')?.dialect.backend).toBe('Datadog');
  });

  it('is a client without its application where Prometheus measures the servers', () => {
    const document = good();
    delete document.services['shop-web'].application;
    const dialects = { datadog: datadogDialect };
    const resolution = resolveRegistry([{ file: 'cujs.yaml', document }], 'sha256:0', {
      dialect: prometheusDialect,
      dialects,
    });
    const rules = resolution.ok
      ? []
      : resolution.findings.map(({ path, rule }) => `${pathText(path)} ${rule}`);
    expect(rules.filter((one) => /client|application|shop-web/.test(one))).toEqual([
      'services.shop-web application-missing',
    ]);
  });

  it('is not the default source that CUE writes', () => {
    expect(
      findings((of) => {
        of.services['shop-web'].source = 'trace';
      }),
    ).toEqual([]);
  });
});
