import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type ReadOptions,
  readSettings,
  requiredToServe,
  SettingsError,
  settingNames,
  settingsHelp,
  settingsTable,
} from '../../src/settings/settings.ts';
import { backends } from '../../src/sources/dialects/backends.ts';
import { backendNames } from '../../src/sources/dialects/dialects.ts';

const keys = { DD_API_KEY: 'a'.repeat(32), DD_APP_KEY: 'b'.repeat(40) };

function problemsOf(env: Record<string, string>, options: ReadOptions = {}): readonly string[] {
  try {
    readSettings(env, options);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe('readSettings', () => {
  it('has a default for everything but keys, registry and DD_URL', () => {
    expect(readSettings({})).toEqual({
      backend: 'datadog',
      unusable: expect.objectContaining({
        prometheus: [expect.stringContaining('CUJ_GATE_PROMETHEUS_URL is not set')],
      }),
      own: expect.objectContaining({
        datadog: { apiKey: undefined, appKey: undefined, site: 'datadoghq.com', url: undefined },
        prometheus: {
          url: undefined,
          token: undefined,
          username: undefined,
          password: undefined,
          tenant: undefined,
          cacheKey: undefined,
        },
      }),
      registry: undefined,
      host: '0.0.0.0',
      port: 8080,
      logLevel: 'info',
      deadlineMs: 8_000,
      cacheTtlMs: 30_000,
      cacheSize: 500,
      drainDelayMs: 5_000,
      history: { store: undefined, path: undefined, maxBytes: 256 * 1024 * 1024, maxAgeMs: 90 * 86_400_000 },
      allowUnauthenticatedPast: false,
      maxInflight: 1_000,
      secrets: [],
      otlpSecrets: [],
      basePath: '',
      access: {
        tokensFile: undefined,
        issuers: [],
        authenticateMetrics: false,
        adminPort: undefined,
        tls: undefined,
        rateLimitPerMinute: 0,
      },
    });
  });

  it('requires the address of Prometheus where that is the backend, and no key of Datadog', () => {
    const prometheus = { CUJ_GATE_BACKEND: 'prometheus', CUJ_GATE_REGISTRY: '/cujs.yaml' };
    expect(problemsOf(prometheus, { required: requiredToServe })).toEqual([
      expect.stringContaining('CUJ_GATE_PROMETHEUS_URL is not set'),
    ]);
    const url = { ...prometheus, CUJ_GATE_PROMETHEUS_URL: 'http://prometheus:9090/base/' };
    const readFile = () => 'a.b_c-d=\n';
    const settings = readSettings(
      { ...url, CUJ_GATE_PROMETHEUS_TOKEN_FILE: '/token', CUJ_GATE_PROMETHEUS_TENANT: 'shop|cart' },
      { required: requiredToServe, readFile },
    );
    expect(settings).toMatchObject({
      backend: 'prometheus',
      own: { prometheus: { url: 'http://prometheus:9090/base', token: 'a.b_c-d=', tenant: 'shop|cart' } },
      secrets: ['a.b_c-d='],
    });
  });

  it('reads the settings of other backends, whose problems matter only where a registry uses them', () => {
    const none = readSettings({ CUJ_GATE_PROMETHEUS_URL: 'no URL' });
    expect(none.own.prometheus.url).toBeUndefined();
    expect(none.unusable.prometheus).toEqual([
      expect.stringContaining('CUJ_GATE_PROMETHEUS_URL=no URL is not'),
    ]);
    const prometheus = { CUJ_GATE_BACKEND: 'prometheus', CUJ_GATE_PROMETHEUS_URL: 'http://prometheus:9090' };
    const readFile = () => {
      throw new Error('ENOENT');
    };
    expect(
      readSettings({ ...prometheus, DD_SITE: 'nowhere', DD_API_KEY_FILE: '/no/key' }, { readFile }).unusable
        .datadog,
    ).toEqual([
      expect.stringContaining('DD_API_KEY_FILE=/no/key cannot be read'),
      expect.stringContaining('DD_APP_KEY (or DD_APP_KEY_FILE) is not set'),
      expect.stringContaining('DD_SITE=nowhere is not one of'),
    ]);
    const both = readSettings({
      ...keys,
      CUJ_GATE_PROMETHEUS_URL: 'http://prometheus:9090',
      CUJ_GATE_PROMETHEUS_TOKEN: 'token',
    });
    expect(both).toMatchObject({ backend: 'datadog', own: { prometheus: { token: 'token' } } });
    expect(both.unusable.prometheus).toBeUndefined();
    // What is never shown is all that is read.
    expect(both.secrets).toEqual([keys.DD_API_KEY, keys.DD_APP_KEY, 'token']);
  });

  it('lets no backend share results without a key, and none that is not used either', () => {
    const redis = { ...keys, CUJ_GATE_REDIS_URL: 'redis://redis:6379' };
    const url = { CUJ_GATE_PROMETHEUS_URL: 'http://prometheus:9090' };
    expect(readSettings({ ...redis, ...url }).unusable.prometheus).toEqual([
      expect.stringContaining('CUJ_GATE_REDIS_URL is set without CUJ_GATE_PROMETHEUS_CACHE_KEY'),
    ]);
    const key = { CUJ_GATE_PROMETHEUS_CACHE_KEY: 'k'.repeat(16) };
    expect(readSettings({ ...redis, ...url, ...key }).unusable.prometheus).toBeUndefined();
  });

  it('refuses credentials of Prometheus that exclude each other, are half, or are missing with Redis', () => {
    const url = { CUJ_GATE_BACKEND: 'prometheus', CUJ_GATE_PROMETHEUS_URL: 'http://prometheus:9090' };
    const token = { CUJ_GATE_PROMETHEUS_TOKEN: 'token' };
    const user = { CUJ_GATE_PROMETHEUS_USERNAME: 'gate' };
    const password = { CUJ_GATE_PROMETHEUS_PASSWORD: 'pass word' };
    const redis = { CUJ_GATE_REDIS_URL: 'redis://redis:6379' };
    const all = (...parts: Record<string, string>[]) => problemsOf(Object.assign({}, url, ...parts));
    expect(all(token, user, password)).toEqual([expect.stringContaining('are both set')]);
    expect(all(user)).toEqual([expect.stringContaining('without CUJ_GATE_PROMETHEUS_PASSWORD')]);
    expect(all(password)).toEqual([expect.stringContaining('without CUJ_GATE_PROMETHEUS_USERNAME')]);
    expect(all(redis)).toEqual([expect.stringContaining('CUJ_GATE_PROMETHEUS_CACHE_KEY')]);
    expect(all({ CUJ_GATE_PROMETHEUS_CACHE_KEY: 'short' })).toEqual([
      expect.stringContaining('CUJ_GATE_PROMETHEUS_CACHE_KEY is shorter than 16 characters'),
    ]);
    expect(all({ CUJ_GATE_PROMETHEUS_USERNAME: 'a:b' }, password)).toEqual([
      expect.stringContaining('is not a user name'),
      expect.stringContaining('without CUJ_GATE_PROMETHEUS_USERNAME'),
    ]);
    expect(all({ CUJ_GATE_PROMETHEUS_TOKEN: 'two words' })).toEqual([
      expect.stringContaining('CUJ_GATE_PROMETHEUS_TOKEN is not a token'),
    ]);
    for (const one of [token, { ...user, ...password }, { CUJ_GATE_PROMETHEUS_CACHE_KEY: 'k'.repeat(16) }])
      expect(() => readSettings({ ...url, ...redis, ...one })).not.toThrow();
  });

  it('sends events to the intake of the site, with a key of their own, where there is one', () => {
    const apiKey = 'e'.repeat(32);
    expect(readSettings({ DD_SITE: 'us5.datadoghq.com', CUJ_GATE_EVENTS_DD_API_KEY: apiKey })).toMatchObject({
      events: { apiKey, url: 'https://event-management-intake.us5.datadoghq.com' },
      secrets: [apiKey],
    });
    const readFile = () => `${apiKey}\n`;
    expect(readSettings({ CUJ_GATE_EVENTS_DD_API_KEY_FILE: '/key' }, { readFile }).events?.apiKey).toBe(
      apiKey,
    );
    const url = 'https://proxy.example.com';
    const both = { CUJ_GATE_EVENTS_DD_API_KEY: apiKey, DD_URL: url, CUJ_GATE_EVENTS_URL: `${url}/events/` };
    expect(readSettings(both).events?.url).toBe(`${url}/events`);
    expect(problemsOf({ CUJ_GATE_EVENTS_DD_API_KEY: apiKey, DD_URL: url })).toEqual([
      expect.stringContaining('without CUJ_GATE_EVENTS_URL: say where events go'),
    ]);
    expect(problemsOf({ CUJ_GATE_EVENTS_URL: url })).toEqual([
      'CUJ_GATE_EVENTS_URL is set without CUJ_GATE_EVENTS_DD_API_KEY: no events are sent.',
    ]);
    expect(problemsOf({ CUJ_GATE_EVENTS_DD_API_KEY: 'two keys' }).join()).not.toContain('two keys');
  });

  it('never sends events to the default site where another is meant, also beside another backend', () => {
    const prometheus = { CUJ_GATE_BACKEND: 'prometheus', CUJ_GATE_PROMETHEUS_URL: 'http://prometheus:9090' };
    const env = { ...prometheus, CUJ_GATE_EVENTS_DD_API_KEY: 'e'.repeat(32) };
    expect(readSettings({ ...env, DD_SITE: 'datadoghq.eu' }).events?.url).toBe(
      'https://event-management-intake.datadoghq.eu',
    );
    expect(problemsOf({ ...env, DD_SITE: 'datadog.eu' })).toEqual([
      expect.stringMatching(/^DD_SITE=datadog\.eu is not one of datadoghq\.com,/),
    ]);
    for (const DD_URL of ['https://proxy.example.com', 'localhost'])
      expect(problemsOf({ ...env, DD_URL })).toEqual([
        expect.stringContaining('without CUJ_GATE_EVENTS_URL: say where events go'),
      ]);
    // It says where they go, and Datadog measures nothing.
    const url = 'https://proxy.example.com';
    expect(readSettings({ ...env, DD_SITE: 'datadog.eu', CUJ_GATE_EVENTS_URL: url }).events?.url).toBe(url);
  });

  it.each(['thanos', 'Mimir', 'cortex', 'victoria-metrics', 'VictoriaMetrics'])(
    'names the backend whose API %s has',
    (name) => {
      expect(problemsOf({ CUJ_GATE_BACKEND: name })).toEqual([
        `CUJ_GATE_BACKEND=${name} is not one of datadog, prometheus. It has the API of Prometheus: set CUJ_GATE_BACKEND=prometheus.`,
      ]);
    },
  );

  it('has no setting of two backends, or of a backend and the gate', () => {
    const names = Object.values(backends).flatMap(({ settingRows }) => Object.keys(settingRows));
    const owned = settingsTable().filter(({ name, backend }) => backend && names.includes(name));
    expect(owned).toHaveLength(names.length);
  });

  it('takes the base path from the public URL, and refuses one that differs', () => {
    expect(readSettings({ CUJ_GATE_PUBLIC_URL: 'https://ops.example.com/cuj-gate/' })).toMatchObject({
      publicUrl: 'https://ops.example.com/cuj-gate',
      basePath: '/cuj-gate',
    });
    expect(readSettings({ CUJ_GATE_PUBLIC_URL: 'https://gate.example.com' }).basePath).toBe('');
    expect(readSettings({ CUJ_GATE_BASE_PATH: '/a/b/' }).basePath).toBe('/a/b');
    const problems = (env: Record<string, string>) => {
      try {
        readSettings(env);
      } catch (error) {
        return (error as SettingsError).problems;
      }
      return [];
    };
    expect(problems({ CUJ_GATE_PUBLIC_URL: 'https://x.example.com/a', CUJ_GATE_BASE_PATH: '/b' })).toEqual([
      'CUJ_GATE_BASE_PATH=/b differs from the path of CUJ_GATE_PUBLIC_URL (/a): remove CUJ_GATE_BASE_PATH.',
    ]);
    for (const path of ['cuj-gate', '/a b', '/../x', '/a/./b', '//evil.example.com', '/<b>'])
      expect(problems({ CUJ_GATE_BASE_PATH: path })).toEqual([
        `CUJ_GATE_BASE_PATH=${path} is not a path such as /cuj-gate.`,
      ]);
  });

  it('gives objects that nobody can change', () => {
    const settings = readSettings(keys);
    expect(Object.isFrozen(settings)).toBe(true);
    expect(Object.isFrozen(settings.own.datadog)).toBe(true);
  });

  it('reads keys from files, without the line break that editors add', () => {
    const files: Record<string, string> = { '/run/api': `${keys.DD_API_KEY}\n`, '/run/app': keys.DD_APP_KEY };
    const { own } = readSettings(
      { DD_API_KEY_FILE: '/run/api', DD_APP_KEY_FILE: '/run/app' },
      { readFile: (path) => files[path] as string },
    );
    expect(own.datadog).toMatchObject({ apiKey: keys.DD_API_KEY, appKey: keys.DD_APP_KEY });
  });

  it('takes an empty variable for none, as a chart leaves them', () => {
    expect(readSettings({ PORT: '', DD_URL: ' ', DD_API_KEY: '' })).toMatchObject({ port: 8080 });
  });

  it.each<[string, Record<string, string>, object]>([
    [
      'a folder',
      { CUJ_GATE_HISTORY_PATH: '/kept' },
      { store: 'folder', path: '/kept', maxBytes: 256 * 2 ** 20 },
    ],
    [
      'Redis',
      { CUJ_GATE_HISTORY: 'redis', CUJ_GATE_REDIS_URL: 'redis://cache' },
      { store: 'redis', path: undefined, maxBytes: 32 * 2 ** 20 },
    ],
    [
      'a size and an age',
      { CUJ_GATE_HISTORY_PATH: '/kept', CUJ_GATE_HISTORY_MAX_MIB: '5', CUJ_GATE_HISTORY_MAX_DAYS: '2' },
      { maxBytes: 5 * 2 ** 20, maxAgeMs: 2 * 86_400_000 },
    ],
  ])('keeps changes of verdicts in %s', (_, env, history) => {
    expect(readSettings(env)).toMatchObject({ history });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['Redis without its URL', { CUJ_GATE_HISTORY: 'redis' }, /there is no Redis to keep it in/],
    ['a folder without its path', { CUJ_GATE_HISTORY: 'folder' }, /CUJ_GATE_HISTORY_PATH: name the folder/],
    [
      'two places',
      { CUJ_GATE_HISTORY: 'redis', CUJ_GATE_REDIS_URL: 'redis://cache', CUJ_GATE_HISTORY_PATH: '/kept' },
      /Remove one of them/,
    ],
  ])('does not keep changes of verdicts in %s', (_, env, problem) => {
    expect(() => readSettings(env)).toThrow(problem);
  });

  it("reads Redis' URL from a file", () => {
    const { redisUrl } = readSettings(
      { ...keys, CUJ_GATE_REDIS_URL_FILE: '/run/url' },
      { readFile: () => 'redis://cache:6379/1\n' },
    );
    expect(redisUrl).toBe('redis://cache:6379/1');
  });

  it.each([
    'CUJ_GATE_AUTH_TOKENS_FILE',
    'CUJ_GATE_AUTH_OIDC_ISSUER',
    'CUJ_GATE_AUTH_METRICS',
    'CUJ_GATE_TLS_CERT_FILE',
    'CUJ_GATE_TLS_CLIENT_CA_FILE',
  ])('does not take an empty %s for none: the gate would be open', (name) => {
    expect(problemsOf({ ...keys, [name]: ' ' })).toEqual([
      `${name} is empty: set a value, or remove the variable.`,
    ]);
  });

  it('drops the slash at the end of DD_URL and keeps its path', () => {
    expect(readSettings({ DD_URL: 'http://proxy:8126/datadog/' }).own.datadog.url).toBe(
      'http://proxy:8126/datadog',
    );
  });

  it.each([
    [
      'an unknown setting, with the nearest',
      { CUJ_GATE_DEADLIN: '8s' },
      'CUJ_GATE_DEADLIN is not a setting. Did you mean CUJ_GATE_DEADLINE?',
    ],
    [
      'a prefix that is not needed',
      { CUJ_GATE_PORT: '9090' },
      'CUJ_GATE_PORT is not a setting. Did you mean PORT?',
    ],
    [
      'a misspelt file of a secret',
      { ...keys, CUJ_GATE_REDIS_URL_FIEL: '/run/url' },
      'CUJ_GATE_REDIS_URL_FIEL is not a setting. Did you mean CUJ_GATE_REDIS_URL_FILE?',
    ],
    [
      'a file of what is no secret',
      { ...keys, CUJ_GATE_CACHE_TTL_FILE: '/run/ttl' },
      'CUJ_GATE_CACHE_TTL_FILE is not a setting. Did you mean CUJ_GATE_CACHE_TTL?',
    ],
    [
      'a short unknown setting that is near to nothing',
      { CUJ_GATE_FOO: 'x' },
      "CUJ_GATE_FOO is not a setting. See 'cuj-gate serve --help'.",
    ],
    [
      'an unknown setting like no other',
      { CUJ_GATE_FROBNICATION: 'x' },
      "CUJ_GATE_FROBNICATION is not a setting. See 'cuj-gate serve --help'.",
    ],
    [
      'a deadline that Argo would not wait for',
      { CUJ_GATE_DEADLINE: '10s' },
      'CUJ_GATE_DEADLINE=10s is out of range: from 100ms to 9999ms.',
    ],
    [
      'a drain that Kubernetes would cut',
      { CUJ_GATE_DRAIN_DELAY: '1m' },
      'CUJ_GATE_DRAIN_DELAY=1m is out of range: from 0s to 15s.',
    ],
    [
      'a duration without its unit',
      { CUJ_GATE_CACHE_TTL: '60' },
      'CUJ_GATE_CACHE_TTL=60 is not a duration: a whole number and its unit, ms, s or m, such as 500ms, 8s or 1m.',
    ],
    ['a port that is none', { PORT: '65536' }, 'PORT=65536 is not a whole number from 0 to 65535.'],
    ['a number in another notation', { PORT: '1e3' }, 'PORT=1e3 is not a whole number from 0 to 65535.'],
    ['a site that is none', { DD_SITE: 'datadog.com' }, 'DD_SITE=datadog.com is not one of datadoghq.com,'],
    ['a log level that is none', { LOG_LEVEL: 'verbose' }, 'LOG_LEVEL=verbose is not one of fatal,'],
    ['a DD_URL without a scheme', { DD_URL: 'localhost' }, 'DD_URL=localhost is not a URL'],
    [
      'a collector without a scheme, with an example of one',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' },
      'OTEL_EXPORTER_OTLP_ENDPOINT=collector is not a URL such as http://otel-collector:4318.',
    ],
    [
      'a path that would be there twice',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/v1/traces/' },
      'ends in /v1/traces, which is appended: remove the path, or set OTEL_EXPORTER_OTLP_TRACES_ENDPOINT.',
    ],
    ['a DD_URL of another scheme', { DD_URL: 'ftp://x' }, 'DD_URL=ftp://x is not an http or https URL.'],
    ['a DD_URL with a password', { DD_URL: 'http://u:p@x' }, 'must not contain a user name or password.'],
    ['a key with a space in it', { DD_API_KEY: 'two keys' }, 'DD_API_KEY is not a key'],
    [
      'both twins',
      { ...keys, DD_API_KEY_FILE: '/run/api' },
      'DD_API_KEY and DD_API_KEY_FILE are both set: keep one of them.',
    ],
    ['a Redis without a scheme', { CUJ_GATE_REDIS_URL: 'redis:6379' }, 'CUJ_GATE_REDIS_URL has no host.'],
    ['a Redis of another scheme', { CUJ_GATE_REDIS_URL: 'http://r' }, 'is not a redis or rediss URL.'],
    [
      'a database with a name',
      { CUJ_GATE_REDIS_URL: 'redis://r/gate' },
      'has a database that is not a number',
    ],
    ['options in a Redis URL', { CUJ_GATE_REDIS_URL: 'redis://r?family=6' }, 'must not contain a query'],
    ['a password with a bare %', { CUJ_GATE_REDIS_URL: 'redis://:50%@r' }, 'written as %25'],
    [
      'a cache to share that keeps nothing',
      { CUJ_GATE_REDIS_URL: 'redis://r', CUJ_GATE_CACHE_TTL: '0s' },
      'without a cache there is nothing to share.',
    ],
    ['a host that is none', { HOST: 'http://x' }, 'HOST=http://x is not a host name or address.'],
  ])('refuses %s', (_, env, problem) => {
    const [first, ...more] = problemsOf(env as Record<string, string>);
    expect(first).toContain(problem);
    expect(more).toEqual([]);
  });

  it('never shows the text of a key, not even of one that is wrong', () => {
    const secret = 'sëcret-sëcret-sëcret';
    expect(problemsOf({ DD_URL: 'http://me:hunter2@proxy' }).join()).not.toContain('hunter2');
    expect(problemsOf({ CUJ_GATE_REDIS_URL: 'redis://:hunter2@r/gate' }).join()).not.toContain('hunter2');
    expect(problemsOf({ DD_API_KEY: secret }).join()).not.toContain(secret);
    expect(problemsOf({ DD_API_KEY_FILE: '/run/api' }, { readFile: () => secret }).join()).not.toContain(
      secret,
    );
  });

  it('names the file that cannot be read, and why', () => {
    const readFile = () => {
      throw new Error('ENOENT: no such file or directory');
    };
    expect(problemsOf({ DD_APP_KEY_FILE: '/run/app' }, { readFile })).toEqual([
      'DD_APP_KEY_FILE=/run/app cannot be read: ENOENT: no such file or directory.',
    ]);
    expect(problemsOf({ DD_APP_KEY_FILE: '/run/app' }, { readFile: () => '\n' })).toEqual([
      'DD_APP_KEY_FILE=/run/app is an empty file.',
    ]);
  });

  it('refuses a pipe in the place of a file, which it would wait for', () => {
    const pipe = join(mkdtempSync(join(tmpdir(), 'cuj-gate-settings-')), 'key');
    execFileSync('mkfifo', [pipe]);
    expect(problemsOf({ DD_APP_KEY_FILE: pipe, CUJ_GATE_REDIS_URL_FILE: '/dev/null' })).toEqual([
      `DD_APP_KEY_FILE=${pipe} cannot be read: it is not a regular file.`,
      'CUJ_GATE_REDIS_URL_FILE=/dev/null cannot be read: it is not a regular file.',
    ]);
    rmSync(dirname(pipe), { recursive: true });
  });

  it('follows a link to a file, as those of a Secret are', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cuj-gate-settings-'));
    writeFileSync(join(folder, 'data'), keys.DD_APP_KEY);
    symlinkSync('data', join(folder, 'key'));
    expect(readSettings({ DD_APP_KEY_FILE: join(folder, 'key') }).own.datadog.appKey).toBe(keys.DD_APP_KEY);
    rmSync(folder, { recursive: true });
  });

  it('reports all problems at once, in its message as well', () => {
    const env = { CUJ_GATE_CASHE_TTL: '60s', PORT: 'http', LOG_LEVEL: 'loud' };
    const problems = problemsOf(env, { required: requiredToServe });
    expect(problems).toHaveLength(6);
    expect(new SettingsError(problems).message).toContain('6 settings are invalid');
    for (const problem of problems) expect(new SettingsError(problems).message).toContain(problem);
  });

  it('collects every value that must not be shown, of a file as well', () => {
    const { secrets } = readSettings(
      {
        DD_API_KEY: 'an-api-key',
        DD_APP_KEY_FILE: '/keys/app',
        CUJ_GATE_REDIS_URL: 'redis://:pass@redis:6379',
      },
      { readFile: () => 'an-app-key\n' },
    );
    expect(secrets).toEqual(['an-api-key', 'an-app-key', 'redis://:pass@redis:6379']);
  });

  it('knows the backends, and asks nothing of one that it does not know', () => {
    expect(readSettings({}).backend).toBe('datadog');
    expect(
      problemsOf({ CUJ_GATE_BACKEND: 'abacus', DD_SITE: 'nowhere' }, { required: requiredToServe }),
    ).toEqual([
      `CUJ_GATE_BACKEND=abacus is not one of ${backendNames.join(', ')}.`,
      expect.stringMatching(/^CUJ_GATE_REGISTRY is not set/),
    ]);
  });

  it('names every variable that serving needs and that is missing', () => {
    expect(problemsOf({}, { required: requiredToServe })).toEqual([
      'DD_API_KEY (or DD_API_KEY_FILE) is not set: Datadog API key. For another backend, export CUJ_GATE_BACKEND=prometheus.',
      expect.stringContaining('DD_APP_KEY (or DD_APP_KEY_FILE) is not set'),
      expect.stringMatching(/^CUJ_GATE_REGISTRY is not set: .*\. Or give --registry PATH\.$/),
    ]);
  });

  it('says that another backend is set and not chosen, where nothing of the default one is set', () => {
    const url = { CUJ_GATE_PROMETHEUS_URL: 'http://prometheus:9090', CUJ_GATE_REGISTRY: '/cujs.yaml' };
    const required = { required: requiredToServe };
    expect(problemsOf(url, required)).toEqual([
      'CUJ_GATE_PROMETHEUS_URL is set and CUJ_GATE_BACKEND is not: export CUJ_GATE_BACKEND=prometheus. For datadog, the default:',
      expect.stringContaining('DD_API_KEY'),
      expect.stringContaining('DD_APP_KEY'),
    ]);
    expect(problemsOf({ ...url, CUJ_GATE_BACKEND: 'datadog' }, required)).toHaveLength(2);
    expect(problemsOf({ ...url, DD_API_KEY: keys.DD_API_KEY }, required)).toHaveLength(1);
    expect(problemsOf({ ...url, ...keys }, required)).toEqual([]);
  });

  it('lets pass what Kubernetes adds beside a Service called cuj-gate', () => {
    expect(
      problemsOf({
        CUJ_GATE_SERVICE_HOST: '10.0.0.1',
        CUJ_GATE_SERVICE_PORT: '8080',
        CUJ_GATE_SERVICE_PORT_HTTP: '8080',
        CUJ_GATE_PORT: 'tcp://10.0.0.1:8080',
        CUJ_GATE_PORT_8080_TCP: 'tcp://10.0.0.1:8080',
        CUJ_GATE_PORT_8080_TCP_PROTO: 'tcp',
        CUJ_GATE_PORT_8080_TCP_PORT: '8080',
        CUJ_GATE_PORT_8080_TCP_ADDR: '10.0.0.1',
        CUJ_GATE_CANARY_SERVICE_HOST: '10.0.0.2',
      }),
    ).toEqual([]);
  });
});

describe('settingsHelp', () => {
  it.each(settingNames.map((name) => [name]))('shows %s', (name) => {
    expect(settingsHelp()).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
  });
});

describe('settingsTable', () => {
  it.each([
    ['CUJ_GATE_DEADLINE', '10m', '9999ms'],
    ['CUJ_GATE_CACHE_TTL', '99m', '10m'],
    ['CUJ_GATE_DRAIN_DELAY', '99m', '15s'],
    ['CUJ_GATE_AUTH_OIDC_CLOCK_SKEW', '99m', '5m'],
  ])('says how long %s may be at most, as the refusal of more does', (name, tooLong, most) => {
    expect(problemsOf({ [name]: tooLong })[0]).toContain(`to ${most}.`);
    expect(settingsTable().find((setting) => setting.name === name)?.description).toContain(` to ${most}`);
  });
});
