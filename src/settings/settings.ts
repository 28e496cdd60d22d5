import { readFileSync, statSync } from 'node:fs';
import type { BackendDefinition } from '../domain/ports/backend.ts';
import { backendWithApiOf } from '../domain/registry/dialects-of-sources.ts';
import {
  anyText,
  baseUrl,
  keyText,
  oneOf,
  type Read,
  type Setting,
  type ValuesOf,
} from '../domain/setting.ts';
import { backends } from '../sources/dialects/backends.ts';
import { type BackendName, backendNames, defaultBackend, dialects } from '../sources/dialects/dialects.ts';
import { nearestNames } from '../suggestions/nearest.ts';
import { type AccessSettings, accessOf, claim, trustworthyUrl, yesOrNo } from './auth-settings.ts';

/** Reads the settings from the environment. All problems are reported at once. */
export interface Settings {
  /** The backend that counts come from where a source names no other. */
  readonly backend: BackendName;
  /** The other backends that cannot be used, with what is wrong with their settings, one sentence each: most often they are not set. */
  readonly unusable: Readonly<Partial<Record<BackendName, readonly string[]>>>;
  /** What each backend made of its own settings. */
  readonly own: OwnSettings;
  /** Where changes of verdicts are sent as events; undefined: nowhere. */
  readonly events: EventSettings | undefined;
  /** The registry's file or folder. */
  readonly registry: string | undefined;
  /** The only environment of the registry that this gate answers for; undefined: all of them. */
  readonly environment: string | undefined;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly logLevel: LogLevel;
  /** For a whole request; less than the 10 s that Argo waits. */
  readonly deadlineMs: number;
  readonly cacheTtlMs: number;
  /** Entries. */
  readonly cacheSize: number;
  /** The cache that replicas share; undefined: none. Never logged. */
  readonly redisUrl: string | undefined;
  /** Where changes of verdicts are kept. */
  readonly history: HistorySettings;
  /** Callers that the gate does not know may ask about the past. */
  readonly allowUnauthenticatedPast: boolean;
  readonly drainDelayMs: number;
  /** Concurrent status requests; more are answered `gate_overloaded`. */
  readonly maxInflight: number;
  /** The URL of an OTLP/HTTP receiver; undefined: no tracing. */
  readonly tracesUrl: string | undefined;
  /** The values of all settings that are marked `secret`. Never logged. */
  readonly secrets: readonly string[];
  /** Possible keys in the headers for the collector. Never logged. */
  readonly otlpSecrets: readonly string[];
  /** The protocol in the SDK's variables. The gate always uses OTLP over HTTP. */
  readonly otlpProtocol: string | undefined;
  /** Where people reach the gate, without a trailing slash; undefined: not known. */
  readonly publicUrl: string | undefined;
  /** The path below which it is reached, without a trailing slash; empty: none. */
  readonly basePath: string;
  /** Authentication, TLS and rate limit. */
  readonly access: AccessSettings;
}

/** By backend, as its `readSettings` returns it. */
export type OwnSettings = {
  readonly [N in BackendName]: Readonly<ReturnType<(typeof backends)[N]['readSettings']>>;
};

export interface EventSettings {
  /** Never logged. */
  readonly apiKey: string;
  /** Base URL of the intake, without a trailing slash. */
  readonly url: string;
}

export interface HistorySettings {
  /** Undefined: nowhere. */
  readonly store: 'folder' | 'redis' | undefined;
  /** Of the store `folder`. */
  readonly path: string | undefined;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** The environment is invalid. `problems` has one sentence for each problem, including what to do. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `${problems.length === 1 ? 'a setting is' : `${problems.length} settings are`} invalid:\n${problems.map((text) => `  ${text}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

interface GateSetting<T> extends Setting<T> {
  /** The backend that it belongs to. Where that is not the backend of the process, its problems are {@link Settings.unusable}. */
  readonly onlyFor?: BackendName;
}

/** The gate's own settings. Those of a backend are in its folder. */
const gateRows = {
  CUJ_GATE_BACKEND: {
    default: defaultBackend,
    description: `The metrics backend where a source of the registry names no other: ${backendNames.join(', ')}.`,
    read: backendName,
  },
  CUJ_GATE_REGISTRY: {
    required: true,
    default: undefined,
    description: "The CUJ registry: a YAML or JSON file, or a folder of them. Required by 'serve'.",
    read: anyText,
  },
  CUJ_GATE_ENVIRONMENT: {
    default: undefined,
    description:
      "The only one of the registry's environments that this gate answers for. Default: each request names one of them in the parameter environment.",
    read: anyText,
  },
  HOST: {
    default: '0.0.0.0',
    description: 'Address to listen on.',
    read: (text: string): Read<string> =>
      /^[A-Za-z0-9.:_-]+$/.test(text) ? { value: text } : { wrong: 'is not a host name or address' },
  },
  PORT: {
    default: '8080',
    description: 'Port to listen on; 0: any free port.',
    read: integer(0, 65_535),
  },
  CUJ_GATE_PUBLIC_URL: {
    default: undefined,
    description:
      'Where people reach the gate with a browser, such as https://cuj-gate.example.com. Then answers have a link to the page of their verdict. Its path is the base path.',
    read: baseUrl('https://cuj-gate.example.com'),
  },
  CUJ_GATE_BASE_PATH: {
    default: undefined,
    description:
      'Path below which a proxy serves the gate, such as /cuj-gate, whether or not it removes the path from requests. Default: the path of CUJ_GATE_PUBLIC_URL.',
    read: basePath,
  },
  LOG_LEVEL: {
    default: 'info',
    description: `Minimum log level: ${logLevels.join(', ')}.`,
    read: oneOf(logLevels),
  },
  CUJ_GATE_DEADLINE: {
    default: '8s',
    description: 'Time limit of a request, from 100ms to 9999ms: Argo Rollouts stops waiting after 10s.',
    read: duration(100, 9_999),
  },
  CUJ_GATE_CACHE_TTL: {
    // Questions about the newest data are the same for 30 s: a longer time saves no call, a shorter one costs calls.
    default: '30s',
    description:
      'How long a result of Datadog is cached, up to 10m; 0s: no cache. Counts of minutes that ended 8m ago or earlier are cached for at least 6m. Less than 30s costs more calls; more saves none.',
    read: duration(0, 600_000),
  },
  CUJ_GATE_CACHE_SIZE: {
    default: '500',
    description: 'Maximum number of cached results of Datadog.',
    read: integer(1, 100_000),
  },
  CUJ_GATE_REDIS_URL: {
    default: undefined,
    description:
      'Redis or Valkey as a cache that replicas share, redis:// or rediss:// (TLS), with password and database if needed. Or CUJ_GATE_REDIS_URL_FILE. While it is down, each replica queries Datadog itself.',
    read: redisUrl,
    secret: true,
  },
  CUJ_GATE_HISTORY_PATH: {
    default: undefined,
    description:
      'Folder in which every change of a verdict is kept, for one replica. It is created where it does not exist. Default: changes are not kept.',
    read: anyText,
  },
  CUJ_GATE_HISTORY: {
    default: undefined,
    description:
      'redis: every change of a verdict is kept in the Redis or Valkey of CUJ_GATE_REDIS_URL, for all replicas. folder: in CUJ_GATE_HISTORY_PATH, which is the default where that is set.',
    read: oneOf(['folder', 'redis']),
  },
  CUJ_GATE_HISTORY_MAX_MIB: {
    default: undefined,
    description:
      'Maximum size of the kept changes in MiB; the oldest are deleted. Default: 256 in a folder, 32 in Redis, where they are compressed.',
    read: integer(1, 1_000_000),
  },
  CUJ_GATE_HISTORY_MAX_DAYS: {
    default: '90',
    description: 'Maximum age of the kept changes in days; older ones are deleted.',
    read: integer(1, 3_650),
  },
  CUJ_GATE_EVENTS_DD_API_KEY: {
    onlyFor: 'datadog',
    default: undefined,
    description:
      'Datadog API key with which changes of verdicts and final verdicts are sent to Datadog as change events. Or CUJ_GATE_EVENTS_DD_API_KEY_FILE. A key of its own, so that it can be revoked alone. Default: nothing is sent.',
    read: keyText,
    secret: true,
  },
  CUJ_GATE_EVENTS_URL: {
    onlyFor: 'datadog',
    default: undefined,
    description:
      "Base URL that replaces the site's intake of events, for a reverse proxy or a simulator. Required where DD_URL is set. Default: https://event-management-intake.<DD_SITE>.",
    read: baseUrl('https://datadog-events-proxy.example.com'),
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    default: undefined,
    description:
      'OpenTelemetry collector for traces over OTLP/HTTP, such as http://otel-collector:4318. Default: no tracing. The SDK reads its other OTEL_ variables itself.',
    read: collectorUrl,
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: {
    default: undefined,
    description: 'The same with its path, such as http://otel-collector:4318/v1/traces; takes precedence.',
    read: baseUrl('http://otel-collector:4318/v1/traces'),
  },
  CUJ_GATE_DRAIN_DELAY: {
    default: '5s',
    description:
      'How long requests are served after SIGTERM, up to 15s, while Kubernetes removes the pod from its Service.',
    read: duration(0, 15_000),
  },
  CUJ_GATE_MAX_INFLIGHT: {
    default: '1000',
    description:
      'Maximum number of concurrent status requests; more are answered inconclusive (gate_overloaded).',
    read: integer(1, 100_000),
  },
  CUJ_GATE_RATE_LIMIT: {
    default: '0',
    description:
      'Requests per minute of one caller (token, JWT subject, certificate or address); 0: unlimited. More status requests are answered inconclusive (gate_overloaded), other requests with 429.',
    read: integer(0, 1_000_000),
  },
  CUJ_GATE_AUTH_TOKENS_FILE: {
    default: undefined,
    description:
      "File with bearer tokens, one 'label: token' per line. Reloaded when it changes. Without it and without an issuer, no token is required.",
    read: anyText,
  },
  CUJ_GATE_AUTH_OIDC_ISSUER: {
    default: undefined,
    description: 'Issuer of JWTs that are accepted as bearer tokens. Requires CUJ_GATE_AUTH_OIDC_AUDIENCE.',
    read: trustworthyUrl,
  },
  CUJ_GATE_AUTH_OIDC_AUDIENCE: {
    default: undefined,
    description: "Audience that a JWT's aud must contain.",
    read: anyText,
  },
  CUJ_GATE_AUTH_OIDC_JWKS_URL: {
    default: undefined,
    description: "URL of the issuer's keys, if it has no /.well-known/openid-configuration.",
    read: trustworthyUrl,
  },
  CUJ_GATE_AUTH_OIDC_CLAIM: {
    default: undefined,
    description: 'Required claim of a JWT, whose value or list must contain this value: groups=release.',
    read: claim,
  },
  CUJ_GATE_AUTH_OIDC_CLOCK_SKEW: {
    default: '30s',
    description: "Accepted difference between an issuer's clock and the gate's, up to 5m.",
    read: duration(0, 300_000),
  },
  CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER: {
    default: undefined,
    description:
      "Issuer of people's ID tokens, which a proxy that signs them in passes on. It may be the issuer above or another one. Requires CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE.",
    read: trustworthyUrl,
  },
  CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE: {
    default: undefined,
    description: "Audience that people's ID tokens must have: the client ID of the proxy.",
    read: anyText,
  },
  CUJ_GATE_AUTH_BROWSER_OIDC_JWKS_URL: {
    default: undefined,
    description: "URL of that issuer's keys, if it has no /.well-known/openid-configuration.",
    read: trustworthyUrl,
  },
  CUJ_GATE_AUTH_BROWSER_OIDC_CLAIM: {
    default: undefined,
    description: "Required claim of people's ID tokens: groups=developers.",
    read: claim,
  },
  CUJ_GATE_AUTH_METRICS: {
    default: 'false',
    description: 'Whether /metrics requires a token too: true or false. Probes never do.',
    read: yesOrNo,
  },
  CUJ_GATE_ALLOW_UNAUTHENTICATED_PAST: {
    default: 'false',
    description:
      'Whether callers without credentials may ask about a moment in the past (at=): true or false. Such questions cost calls to Datadog, of which they take at most half.',
    read: yesOrNo,
  },
  CUJ_GATE_ADMIN_PORT: {
    default: undefined,
    description:
      'Separate port for /metrics, /healthz and /readyz, in plain HTTP; they are then not on PORT.',
    read: integer(0, 65_535),
  },
  CUJ_GATE_TLS_CERT_FILE: {
    default: undefined,
    description: 'Certificate (chain) in PEM: PORT serves HTTPS, TLS 1.2 or later. Reloaded when it changes.',
    read: anyText,
  },
  CUJ_GATE_TLS_KEY_FILE: {
    default: undefined,
    description: "The certificate's key in PEM, without a passphrase.",
    read: anyText,
  },
  CUJ_GATE_TLS_CLIENT_CA_FILE: {
    default: undefined,
    description:
      'CAs of client certificates, which callers then need. Probes have none: set CUJ_GATE_ADMIN_PORT too.',
    read: anyText,
  },
} as const satisfies Record<string, GateSetting<unknown>>;

type GateRows = typeof gateRows;
type BackendSettingName = { [N in BackendName]: keyof (typeof backends)[N]['settingRows'] }[BackendName];
export type SettingName = keyof GateRows | BackendSettingName;

const { CUJ_GATE_BACKEND, ...otherRows } = gateRows;

/** All settings in the order of the documentation: those of the backends follow the choice among them. */
const table = {
  CUJ_GATE_BACKEND,
  ...Object.fromEntries(
    backendNames.flatMap((name) =>
      Object.entries(backends[name].settingRows).map(([key, row]) => [key, { ...row, onlyFor: name }]),
    ),
  ),
  ...otherRows,
} as Readonly<Record<SettingName, GateSetting<unknown>>>;

export const settingNames = Object.keys(table) as readonly SettingName[];

export interface ReadOptions {
  /** Settings without a default that the caller requires, as far as they are the backend's. */
  readonly required?: readonly SettingName[];
  /** Command line options that set settings; messages name the option instead. */
  readonly options?: Partial<Record<SettingName, string>>;
  /** Reads a file, for tests; throws like node:fs. */
  readonly readFile?: (path: string) => string;
}

/** The settings that `serve` and `evaluate` require, of every backend. `readSettings` skips those of other backends. */
export const requiredToServe: readonly SettingName[] = settingNames.filter((name) => {
  const setting = table[name];
  return setting.required === true;
});

/** What commands require that ask one backend, for their help: `A and B, or C`. */
export const requiredOfBackends: string = backendNames
  .map((name) =>
    Object.entries<Setting>(backends[name].settingRows)
      .flatMap(([key, { required }]) => (required === true ? [key] : []))
      .join(' and '),
  )
  .join(', or ');

/** The backend that the environment names, for commands that need no other setting. Throws SettingsError. */
export function readBackend(env: Readonly<Record<string, string | undefined>>): BackendName {
  const text = given(env.CUJ_GATE_BACKEND) ?? defaultBackend;
  const read = gateRows.CUJ_GATE_BACKEND.read(text);
  if ('value' in read) return read.value;
  throw new SettingsError([`CUJ_GATE_BACKEND=${text} ${read.wrong}.`]);
}

/** That the environment has the address or a key of another backend than the default, and chooses none: most often it was not exported here. */
export function unchosenBackend(env: Readonly<Record<string, string | undefined>>): string | undefined {
  if (given(env.CUJ_GATE_BACKEND) !== undefined) return undefined;
  const settingsOf = (name: BackendName) =>
    Object.entries<Setting>(backends[name].settingRows)
      .filter(([, { required }]) => required === true)
      .map(([key]) => [key, `${key}_FILE`].find((one) => given(env[one]) !== undefined))
      .filter((key) => key !== undefined);
  if (settingsOf(defaultBackend).length > 0) return undefined;
  const other = backendNames.find((name) => settingsOf(name).length > 0);
  return (
    other &&
    `${settingsOf(other)[0]} is set and CUJ_GATE_BACKEND is not: export CUJ_GATE_BACKEND=${other}. For ${defaultBackend}, the default`
  );
}

/**
 * Reads the settings. Throws SettingsError with all problems. An empty variable counts as not set, but empty variables of
 * authentication and TLS are refused.
 */
export function readSettings(
  env: Readonly<Record<string, string | undefined>>,
  options: ReadOptions = {},
): Settings {
  const problems: string[] = [...unknownNames(env)];
  const readFile = options.readFile ?? textOfFile;
  const secrets: string[] = [];
  let backend: BackendName | undefined;
  const foreign = new Map<BackendName, string[]>();

  const sendsEvents =
    given(env.CUJ_GATE_EVENTS_DD_API_KEY) !== undefined ||
    given(env.CUJ_GATE_EVENTS_DD_API_KEY_FILE) !== undefined;
  /** Events go there, whichever backend measures. */
  const sendsToSite = sendsEvents && given(env.CUJ_GATE_EVENTS_URL) === undefined;

  /** Where the problems of a setting go. */
  function problemsWith({ onlyFor }: Pick<GateSetting<unknown>, 'onlyFor'>, name?: string): string[] {
    if (onlyFor === undefined || onlyFor === backend || (name === 'DD_SITE' && sendsToSite)) return problems;
    const own = foreign.get(onlyFor) ?? [];
    foreign.set(onlyFor, own);
    // Of a wrong name nothing is known: its own problem is enough.
    return backend === undefined ? [] : own;
  }

  function get<N extends keyof GateRows>(name: N): ValuesOf<GateRows>[N] {
    return readValue(name) as ValuesOf<GateRows>[N];
  }

  function readValue(name: SettingName): unknown {
    const setting = table[name];
    if (/^CUJ_GATE_(AUTH|TLS)_/.test(name) && env[name]?.trim() === '') {
      // An unset `${TOKENS}` in a manifest must not turn authentication off.
      problems.push(`${name} is empty: set a value, or remove the variable.`);
      return undefined;
    }
    const text = textOf(name, setting);
    if (text === undefined) return undefined;
    if (setting.secret === true) secrets.push(text.text);
    const read = setting.read(text.text);
    if ('value' in read) return read.value;
    const hidden = setting.secret === true || /\/\/[^/]*@/.test(text.text);
    const shown = hidden ? text.from : `${text.from}=${text.text}`;
    problemsWith(setting, name).push(`${shown} ${read.wrong}.`);
    return undefined;
  }

  function textOf(name: string, setting: GateSetting<unknown>): { text: string; from: string } | undefined {
    const own = isServiceLink(name, env[name]) ? undefined : given(env[name]);
    const path = setting.secret === true ? given(env[`${name}_FILE`]) : undefined;
    if (own !== undefined && path !== undefined) {
      problemsWith(setting).push(`${name} and ${name}_FILE are both set: keep one of them.`);
      return undefined;
    }
    if (path !== undefined) {
      const from = `${name}_FILE=${path}`;
      try {
        const text = given(readFile(path));
        if (text !== undefined) return { text, from };
        problemsWith(setting).push(`${from} is an empty file.`);
      } catch (error) {
        problemsWith(setting).push(`${from} cannot be read: ${(error as Error).message}.`);
      }
      return undefined;
    }
    if (own !== undefined) return { text: own, from: options.options?.[name as SettingName] ?? name };
    if (setting.default !== undefined) return defaultOf(name, setting);
    const isForeign = setting.onlyFor !== undefined && setting.onlyFor !== backend;
    if (isForeign ? setting.required === true : options.required?.includes(name as SettingName) === true) {
      const file = setting.secret === true ? ` (or ${name}_FILE)` : '';
      const option = name === 'CUJ_GATE_REGISTRY' ? ' Or give --registry PATH.' : otherBackends(name);
      problemsWith(setting).push(
        `${name}${file} is not set: ${setting.description.split(/\.(?: |$)/, 1)[0]}.${option}`,
      );
    }
    return undefined;
  }

  /** A shell that lacks all settings looks like one of the default backend. */
  function otherBackends(name: string): string {
    const [first] = Object.keys(backends[defaultBackend].settingRows);
    if (name !== first || given(env.CUJ_GATE_BACKEND) !== undefined) return '';
    const others = backendNames.filter((one) => one !== defaultBackend);
    return ` For another backend, export CUJ_GATE_BACKEND=${others.join(' or ')}.`;
  }

  backend = get('CUJ_GATE_BACKEND');
  const before = problems.length;
  const values = backendNames.map((name) => {
    const keys = Object.keys(backends[name].settingRows) as BackendSettingName[];
    return [name, Object.fromEntries(keys.map((key) => [key, readValue(key)]))] as const;
  });
  const unchosen = unchosenBackend(env);
  if (unchosen !== undefined && problems.length > before) problems.splice(before, 0, `${unchosen}:`);
  const redisUrl = get('CUJ_GATE_REDIS_URL');
  const own = Object.fromEntries(
    values.map(([name, given]) => {
      const definition: BackendDefinition = backends[name];
      const context = { sharesCache: redisUrl !== undefined, problems: problemsWith({ onlyFor: name }) };
      return [name, Object.freeze(definition.readSettings(given, context))];
    }),
  ) as OwnSettings;
  const port = get('PORT');
  const otlpUrl = get('OTEL_EXPORTER_OTLP_ENDPOINT');
  // A setting with a default is undefined only if there is a problem, and then the object is not returned.
  const settings = {
    backend: backend as BackendName,
    unusable: {},
    own,
    events: eventsOf(
      {
        apiKey: get('CUJ_GATE_EVENTS_DD_API_KEY'),
        url: get('CUJ_GATE_EVENTS_URL'),
        site: own.datadog.site ?? 'datadoghq.com',
        hasProxy: given(env.DD_URL) !== undefined,
      },
      sendsEvents,
      problems,
    ),
    registry: get('CUJ_GATE_REGISTRY'),
    environment: get('CUJ_GATE_ENVIRONMENT'),
    host: get('HOST') as string,
    port: port as number,
    logLevel: get('LOG_LEVEL') as LogLevel,
    deadlineMs: get('CUJ_GATE_DEADLINE') as number,
    cacheTtlMs: get('CUJ_GATE_CACHE_TTL') as number,
    cacheSize: get('CUJ_GATE_CACHE_SIZE') as number,
    redisUrl,
    history: historyOf(
      {
        store: get('CUJ_GATE_HISTORY'),
        path: get('CUJ_GATE_HISTORY_PATH'),
        maxMib: get('CUJ_GATE_HISTORY_MAX_MIB'),
        maxDays: get('CUJ_GATE_HISTORY_MAX_DAYS') as number,
      },
      given(env.CUJ_GATE_REDIS_URL) !== undefined || given(env.CUJ_GATE_REDIS_URL_FILE) !== undefined,
      problems,
    ),
    allowUnauthenticatedPast: get('CUJ_GATE_ALLOW_UNAUTHENTICATED_PAST') === true,
    drainDelayMs: get('CUJ_GATE_DRAIN_DELAY') as number,
    maxInflight: get('CUJ_GATE_MAX_INFLIGHT') as number,
    tracesUrl:
      get('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ??
      (otlpUrl === undefined ? undefined : `${otlpUrl}/v1/traces`),
    secrets,
    otlpSecrets: [env.OTEL_EXPORTER_OTLP_HEADERS, env.OTEL_EXPORTER_OTLP_TRACES_HEADERS].flatMap(longValues),
    otlpProtocol: given(env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL) ?? given(env.OTEL_EXPORTER_OTLP_PROTOCOL),
    ...publicAddress(get('CUJ_GATE_PUBLIC_URL'), get('CUJ_GATE_BASE_PATH'), problems),
    access: accessOf(
      {
        tokensFile: get('CUJ_GATE_AUTH_TOKENS_FILE'),
        oidc: {
          issuer: get('CUJ_GATE_AUTH_OIDC_ISSUER'),
          audience: get('CUJ_GATE_AUTH_OIDC_AUDIENCE'),
          jwksUrl: get('CUJ_GATE_AUTH_OIDC_JWKS_URL'),
          claim: get('CUJ_GATE_AUTH_OIDC_CLAIM'),
        },
        browserOidc: {
          issuer: get('CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER'),
          audience: get('CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE'),
          jwksUrl: get('CUJ_GATE_AUTH_BROWSER_OIDC_JWKS_URL'),
          claim: get('CUJ_GATE_AUTH_BROWSER_OIDC_CLAIM'),
        },
        clockSkewMs: get('CUJ_GATE_AUTH_OIDC_CLOCK_SKEW'),
        authenticateMetrics: get('CUJ_GATE_AUTH_METRICS'),
        port,
        adminPort: get('CUJ_GATE_ADMIN_PORT'),
        certFile: get('CUJ_GATE_TLS_CERT_FILE'),
        keyFile: get('CUJ_GATE_TLS_KEY_FILE'),
        clientCaFile: get('CUJ_GATE_TLS_CLIENT_CA_FILE'),
        rateLimitPerMinute: get('CUJ_GATE_RATE_LIMIT'),
      },
      (name) => given(env[name]) !== undefined,
      problems,
    ),
  };
  if (settings.redisUrl !== undefined && settings.cacheTtlMs === 0)
    problems.push(
      'CUJ_GATE_REDIS_URL is set with CUJ_GATE_CACHE_TTL=0s: without a cache there is nothing to share.',
    );
  if (problems.length > 0) throw new SettingsError(problems);
  const unusable = Object.fromEntries([...foreign].filter(([, wrong]) => wrong.length > 0));
  return Object.freeze({ ...settings, unusable });
}

/** Adds a sentence to `problems` where a setting requires another one. */
function eventsOf(
  given: {
    readonly apiKey: string | undefined;
    readonly url: string | undefined;
    readonly site: OwnSettings['datadog']['site'];
    readonly hasProxy: boolean;
  },
  hasKey: boolean,
  problems: string[],
): EventSettings | undefined {
  const { apiKey, url, site, hasProxy } = given;
  if (url !== undefined && !hasKey)
    problems.push('CUJ_GATE_EVENTS_URL is set without CUJ_GATE_EVENTS_DD_API_KEY: no events are sent.');
  // What must go through a proxy must not go around it unasked.
  if (hasKey && url === undefined && hasProxy)
    problems.push(
      'CUJ_GATE_EVENTS_DD_API_KEY is set with DD_URL, but without CUJ_GATE_EVENTS_URL: say where events go, such as https://event-management-intake.datadoghq.com.',
    );
  if (apiKey === undefined) return undefined;
  return Object.freeze({ apiKey, url: url ?? `https://event-management-intake.${site}` });
}

/** Sizes by default, in MiB. */
const historyMib = { folder: 256, redis: 32 } as const;

/** Adds a sentence to `problems` where a setting requires another one. */
function historyOf(
  given: {
    readonly store: 'folder' | 'redis' | undefined;
    readonly path: string | undefined;
    readonly maxMib: number | undefined;
    readonly maxDays: number;
  },
  hasRedis: boolean,
  problems: string[],
): HistorySettings {
  const { path, maxMib, maxDays } = given;
  const store = given.store ?? (path === undefined ? undefined : 'folder');
  if (store === 'folder' && path === undefined)
    problems.push('CUJ_GATE_HISTORY=folder is set without CUJ_GATE_HISTORY_PATH: name the folder.');
  if (store === 'redis' && !hasRedis)
    problems.push(
      'CUJ_GATE_HISTORY=redis is set without CUJ_GATE_REDIS_URL: there is no Redis to keep it in.',
    );
  if (store === 'redis' && path !== undefined)
    problems.push(
      'CUJ_GATE_HISTORY=redis is set with CUJ_GATE_HISTORY_PATH: changes are kept in one place. Remove one of them.',
    );
  return Object.freeze({
    store,
    path,
    maxBytes: (maxMib ?? historyMib[store ?? 'folder']) * 1024 * 1024,
    maxAgeMs: maxDays * 86_400_000,
  });
}

function defaultOf(name: string, setting: Setting): { text: string; from: string } | undefined {
  return setting.default === undefined ? undefined : { text: setting.default, from: name };
}

/** All settings as text: name, default, description. */
export function settingsHelp(): string {
  const width = Math.max(...settingNames.map((name) => name.length)) + 2;
  const lines = settingNames.flatMap((name) => {
    const setting = table[name];
    const ends = setting.default === undefined ? '' : ` Default: ${setting.default}.`;
    return wrap(setting.description + ends, 100 - width).map(
      (line, i) => `  ${(i === 0 ? name : '').padEnd(width)}${line}`,
    );
  });
  return ['Settings (environment variables):', ...lines].join('\n');
}

/** The same table as data, for documentation. */
export function settingsTable(): {
  name: SettingName;
  /** That it belongs to; undefined: to the gate. */
  backend: BackendName | undefined;
  default: string | undefined;
  description: string;
}[] {
  return settingNames.map((name) => ({
    name,
    backend: table[name].onlyFor,
    default: table[name].default,
    description: table[name].description,
  }));
}

/** The words of `name=value,name=value`, percent-encoded or not, that may be keys. OpenTelemetry validates them. */
function longValues(headers: string | undefined): string[] {
  const values = (headers ?? '').split(',').map((pair) => pair.slice(pair.indexOf('=') + 1));
  return values.flatMap((value) => value.split(/%20|\s/)).filter((word) => word.length >= 16);
}

/** Only regular files: reading a pipe would block the start until there is a writer. */
function textOfFile(path: string): string {
  if (!statSync(path).isFile()) throw new Error('it is not a regular file');
  return readFileSync(path, 'utf8');
}

function given(text: string | undefined): string | undefined {
  const trimmed = text?.trim();
  return trimmed === '' ? undefined : trimmed;
}

/**
 * Variables that Kubernetes adds to every pod if there is a Service called cuj-gate or cuj-gate-something
 * (kubernetes.io/docs/concepts/services-networking/service, "Environment variables").
 */
const serviceLink =
  /^CUJ_GATE(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;

/** Kubernetes' variable for a Service called cuj-gate-admin has the name of a setting, but not the format of its value. */
function isServiceLink(name: string, value: string | undefined): boolean {
  return name.endsWith('_PORT') && value !== undefined && /^(tcp|udp|sctp):\/\//.test(value);
}

/** The names of all variables: those of the table, and `<name>_FILE` for secrets. */
const known: ReadonlySet<string> = new Set(
  settingNames.flatMap((name) => {
    const setting = table[name];
    return setting.secret === true ? [name, `${name}_FILE`] : [name];
  }),
);

function* unknownNames(env: Readonly<Record<string, string | undefined>>): Generator<string> {
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('CUJ_GATE_') || known.has(name) || value === undefined) continue;
    if (serviceLink.test(name)) continue;
    if (isServiceLink(name, value)) continue;
    const options = { max: 1, maxEdits: (length: number) => Math.min(5, length / 3) };
    // Some variables belong to other programs and do not have our prefix.
    const nearest = nearestNames(name, known, options)[0] ?? nearestNames(name.slice(9), known, options)[0];
    const meant = nearest === undefined ? "See 'cuj-gate serve --help'." : `Did you mean ${nearest}?`;
    yield `${name} is not a setting. ${meant}`;
  }
}

function backendName(text: string): Read<BackendName> {
  const read = oneOf(backendNames)(text);
  const meant = 'value' in read ? undefined : backendWithApiOf(text, dialects);
  if ('value' in read || meant === undefined) return read;
  return {
    wrong: `${read.wrong}. It has the API of ${dialects[meant].backend}: set CUJ_GATE_BACKEND=${meant}`,
  };
}

function integer(min: number, max: number): (text: string) => Read<number> {
  return (text) => {
    const value = Number(text);
    return /^\d{1,9}$/.test(text) && value >= min && value <= max
      ? { value }
      : { wrong: `is not a whole number from ${min} to ${max}` };
  };
}

const unitMs = { ms: 1, s: 1_000, m: 60_000 } as const;

function spanText(ms: number): string {
  const unit = (['m', 's'] as const).find((one) => ms % unitMs[one] === 0 && ms >= unitMs[one]) ?? 'ms';
  return ms === 0 ? '0s' : `${ms / unitMs[unit]}${unit}`;
}

function duration(minMs: number, maxMs: number): (text: string) => Read<number> {
  return (text) => {
    const match = /^(\d{1,7})(ms|s|m)$/.exec(text);
    if (match === null)
      return { wrong: 'is not a duration: a whole number and its unit, ms, s or m, such as 500ms, 8s or 1m' };
    const value = Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
    return value >= minMs && value <= maxMs
      ? { value }
      : { wrong: `is out of range: from ${spanText(minMs)} to ${spanText(maxMs)}` };
  };
}

function basePath(text: string): Read<string> {
  const path = text.replace(/\/+$/, '');
  return /^(\/[\w.~-]+)*$/.test(path) && !/\/\.{1,2}(\/|$)/.test(path)
    ? { value: path }
    : { wrong: 'is not a path such as /cuj-gate' };
}

/** A browser sees the path of the public URL. Links with another path would lead nowhere. */
function publicAddress(
  publicUrl: string | undefined,
  path: string | undefined,
  problems: string[],
): Pick<Settings, 'publicUrl' | 'basePath'> {
  const own = publicUrl === undefined ? undefined : new URL(publicUrl).pathname.replace(/\/+$/, '');
  if (path !== undefined && own !== undefined && path !== own) {
    problems.push(
      `CUJ_GATE_BASE_PATH=${path} differs from the path of CUJ_GATE_PUBLIC_URL (${own === '' ? 'none' : own}): remove CUJ_GATE_BASE_PATH.`,
    );
  }
  const read = basePath(own ?? '');
  if ('wrong' in read)
    problems.push(`The path of CUJ_GATE_PUBLIC_URL=${publicUrl} may hold only letters, digits, and . _ ~ -.`);
  return { publicUrl, basePath: path ?? own ?? '' };
}

function collectorUrl(text: string): Read<string> {
  const read = baseUrl('http://otel-collector:4318')(text);
  return 'value' in read && read.value.endsWith('/v1/traces')
    ? {
        wrong:
          'ends in /v1/traces, which is appended: remove the path, or set OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
      }
    : read;
}

function redisUrl(text: string): Read<string> {
  if (!URL.canParse(text)) return { wrong: 'is not a URL such as redis://:password@redis:6379/0' };
  const { protocol, hostname, pathname, search, hash, username, password } = new URL(text);
  if (protocol !== 'redis:' && protocol !== 'rediss:') return { wrong: 'is not a redis or rediss URL' };
  if (hostname === '') return { wrong: 'has no host' };
  if (!/^\/?\d{0,5}$/.test(pathname)) return { wrong: 'has a database that is not a number such as /0' };
  if (search !== '' || hash !== '') return { wrong: 'must not contain a query or a fragment' };
  try {
    decodeURIComponent(username + password);
  } catch {
    return { wrong: 'has a user name or password with a % that must be written as %25' };
  }
  return { value: text };
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
