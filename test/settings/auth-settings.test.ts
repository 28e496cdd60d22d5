import { describe, expect, it } from 'vitest';
import { readSettings, SettingsError } from '../../src/settings/settings.ts';

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readSettings(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

const oidc = {
  CUJ_GATE_AUTH_OIDC_ISSUER: 'https://login.example.com/',
  CUJ_GATE_AUTH_OIDC_AUDIENCE: 'cuj-gate',
};

const browser = {
  CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER: 'https://sso.example.com',
  CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE: 'cuj-gate-pages',
};

describe('the settings about who may ask', () => {
  it('are read whole, the issuer letter by letter', () => {
    const { access } = readSettings({
      ...oidc,
      CUJ_GATE_AUTH_OIDC_JWKS_URL: 'https://login.example.com/keys?v=2',
      CUJ_GATE_AUTH_OIDC_CLAIM: 'https://example.com/team = release=blue',
      CUJ_GATE_AUTH_OIDC_CLOCK_SKEW: '1m',
      CUJ_GATE_AUTH_TOKENS_FILE: '/run/tokens',
      CUJ_GATE_AUTH_METRICS: 'true',
      CUJ_GATE_ADMIN_PORT: '9090',
      CUJ_GATE_TLS_CERT_FILE: '/tls/crt',
      CUJ_GATE_TLS_KEY_FILE: '/tls/key',
      CUJ_GATE_TLS_CLIENT_CA_FILE: '/tls/ca',
      CUJ_GATE_RATE_LIMIT: '600',
    });
    expect(access).toEqual({
      tokensFile: '/run/tokens',
      issuers: [
        {
          caller: 'oidc',
          issuer: 'https://login.example.com/',
          audience: 'cuj-gate',
          jwksUrl: 'https://login.example.com/keys?v=2',
          claim: { name: 'https://example.com/team', value: 'release=blue' },
          clockSkewMs: 60_000,
        },
      ],
      authenticateMetrics: true,
      adminPort: 9090,
      tls: { certFile: '/tls/crt', keyFile: '/tls/key', clientCaFile: '/tls/ca' },
      rateLimitPerMinute: 600,
    });
  });

  it("have people's issuer beside Argo's, each with its own audience, keys and claim, and one clock skew", () => {
    const { access } = readSettings({
      ...oidc,
      ...browser,
      CUJ_GATE_AUTH_OIDC_CLAIM: 'sub=system:serviceaccount:argo-rollouts:argo-rollouts',
      CUJ_GATE_AUTH_BROWSER_OIDC_JWKS_URL: 'https://sso.example.com/keys',
      CUJ_GATE_AUTH_BROWSER_OIDC_CLAIM: 'groups=developers',
      CUJ_GATE_AUTH_OIDC_CLOCK_SKEW: '10s',
    });
    expect(access.issuers).toEqual([
      {
        caller: 'oidc',
        issuer: 'https://login.example.com/',
        audience: 'cuj-gate',
        jwksUrl: undefined,
        claim: { name: 'sub', value: 'system:serviceaccount:argo-rollouts:argo-rollouts' },
        clockSkewMs: 10_000,
      },
      {
        caller: 'browser',
        issuer: 'https://sso.example.com',
        audience: 'cuj-gate-pages',
        jwksUrl: 'https://sso.example.com/keys',
        claim: { name: 'groups', value: 'developers' },
        clockSkewMs: 10_000,
      },
    ]);
  });

  it.each<[string, Record<string, string>]>([
    ['beside the tokens of a file', { ...browser, CUJ_GATE_AUTH_TOKENS_FILE: '/run/tokens' }],
    [
      'that is the other one, for another audience',
      { ...oidc, ...browser, CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER: oidc.CUJ_GATE_AUTH_OIDC_ISSUER },
    ],
    [
      'whose clock may differ',
      { ...browser, CUJ_GATE_AUTH_TOKENS_FILE: '/run/tokens', CUJ_GATE_AUTH_OIDC_CLOCK_SKEW: '1m' },
    ],
    ['whose tokens metrics need', { ...oidc, ...browser, CUJ_GATE_AUTH_METRICS: 'true' }],
  ])("take people's issuer %s", (_, env) => {
    expect(problemsOf(env)).toEqual([]);
    expect(readSettings(env).access.issuers.at(-1)).toMatchObject({ caller: 'browser' });
  });

  it.each(['http://localhost:5556/dex', 'http://127.0.0.1:5556', 'http://[::1]:5556'])(
    'take an issuer on this machine without TLS: %s',
    (issuer) => {
      expect(problemsOf({ ...oidc, CUJ_GATE_AUTH_OIDC_ISSUER: issuer })).toEqual([]);
    },
  );

  it.each([
    [
      'an issuer without an audience',
      { CUJ_GATE_AUTH_OIDC_ISSUER: 'https://a.example' },
      'CUJ_GATE_AUTH_OIDC_ISSUER is set without CUJ_GATE_AUTH_OIDC_AUDIENCE',
    ],
    [
      'an audience without an issuer',
      { CUJ_GATE_AUTH_OIDC_AUDIENCE: 'x' },
      'CUJ_GATE_AUTH_OIDC_AUDIENCE is set without CUJ_GATE_AUTH_OIDC_ISSUER',
    ],
    [
      'keys without an issuer',
      { CUJ_GATE_AUTH_OIDC_JWKS_URL: 'https://a.example' },
      'CUJ_GATE_AUTH_OIDC_JWKS_URL is set without',
    ],
    [
      'a claim without an issuer',
      { CUJ_GATE_AUTH_OIDC_CLAIM: 'a=b' },
      'CUJ_GATE_AUTH_OIDC_CLAIM is set without',
    ],
    [
      'an issuer in plain HTTP',
      { ...oidc, CUJ_GATE_AUTH_OIDC_ISSUER: 'http://login.example.com' },
      'is not https',
    ],
    ['keys in plain HTTP', { ...oidc, CUJ_GATE_AUTH_OIDC_JWKS_URL: 'http://10.0.0.1/keys' }, 'is not https'],
    ['an issuer that is no URL', { ...oidc, CUJ_GATE_AUTH_OIDC_ISSUER: 'login' }, 'is not a URL'],
    [
      'a claim without a value',
      { ...oidc, CUJ_GATE_AUTH_OIDC_CLAIM: 'groups' },
      'is not a claim with a value',
    ],
    [
      "people's issuer without an audience",
      { ...oidc, CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER: 'https://a.example' },
      'CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER is set without CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE',
    ],
    [
      "people's audience without their issuer",
      { ...oidc, CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE: 'x' },
      'CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE is set without CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER',
    ],
    [
      "people's claim without their issuer",
      { ...oidc, CUJ_GATE_AUTH_BROWSER_OIDC_CLAIM: 'groups=x' },
      'CUJ_GATE_AUTH_BROWSER_OIDC_CLAIM is set without CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER',
    ],
    [
      "people's issuer in plain HTTP",
      { ...oidc, ...browser, CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER: 'http://sso.example.com' },
      'CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER=http://sso.example.com is not https',
    ],
    [
      "people's issuer that is empty",
      { ...oidc, CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER: '' },
      'CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER is empty',
    ],
    [
      'one issuer with one audience for people and Argo, who could not be told apart',
      {
        ...oidc,
        CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER: oidc.CUJ_GATE_AUTH_OIDC_ISSUER,
        CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE: oidc.CUJ_GATE_AUTH_OIDC_AUDIENCE,
      },
      'register another client for browsers, or remove CUJ_GATE_AUTH_BROWSER_OIDC_*',
    ],
    [
      "people's issuer where Argo has nothing to send",
      { ...browser, CUJ_GATE_AUTH_METRICS: 'true' },
      'Argo Rollouts would get 401, and rollouts would be aborted. Set one of them',
    ],
    [
      'a clock skew without an issuer',
      { CUJ_GATE_AUTH_OIDC_CLOCK_SKEW: '1m' },
      'CUJ_GATE_AUTH_OIDC_CLOCK_SKEW is set without CUJ_GATE_AUTH_OIDC_ISSUER',
    ],
    ['a clock skew of an hour', { ...oidc, CUJ_GATE_AUTH_OIDC_CLOCK_SKEW: '60m' }, 'is out of range'],
    [
      'a certificate without a key',
      { CUJ_GATE_TLS_CERT_FILE: '/c' },
      'CUJ_GATE_TLS_CERT_FILE is set without CUJ_GATE_TLS_KEY_FILE',
    ],
    [
      'a key without a certificate',
      { CUJ_GATE_TLS_KEY_FILE: '/k' },
      'CUJ_GATE_TLS_KEY_FILE is set without CUJ_GATE_TLS_CERT_FILE',
    ],
    [
      'client certificates without TLS',
      { CUJ_GATE_TLS_CLIENT_CA_FILE: '/ca' },
      'CUJ_GATE_TLS_CLIENT_CA_FILE is set without',
    ],
    [
      'one port for both',
      { PORT: '9090', CUJ_GATE_ADMIN_PORT: '9090' },
      'CUJ_GATE_ADMIN_PORT=9090 is the same as PORT',
    ],
    [
      'metrics that ask for a token that nobody can have',
      { CUJ_GATE_AUTH_METRICS: 'true' },
      'CUJ_GATE_AUTH_METRICS is on, but no tokens are configured',
    ],
    [
      'a flag that is none',
      { CUJ_GATE_AUTH_METRICS: 'yes' },
      'CUJ_GATE_AUTH_METRICS=yes is neither true nor false.',
    ],
    [
      'a rate limit below nothing',
      { CUJ_GATE_RATE_LIMIT: '-1' },
      'CUJ_GATE_RATE_LIMIT=-1 is not a whole number',
    ],
  ])('refuse %s', (_, env, problem) => {
    const [first, ...more] = problemsOf(env as Record<string, string>);
    expect(first).toContain(problem);
    expect(more).toEqual([]);
  });

  it('do not take what Kubernetes makes of a Service called cuj-gate-admin for a port', () => {
    const { access } = readSettings({ CUJ_GATE_ADMIN_PORT: 'tcp://10.0.0.1:9090' });
    expect(access.adminPort).toBeUndefined();
  });
});
