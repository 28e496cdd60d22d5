import type { SettingsContext } from '../../domain/ports/backend.ts';
import {
  anyText,
  baseUrl,
  type Read,
  type SettingRows,
  tokenText,
  type ValuesOf,
} from '../../domain/setting.ts';

export interface PrometheusSettings {
  /** Base URL without `/api/v1` and a trailing slash. */
  readonly url: string | undefined;
  /** Bearer token. Never logged. */
  readonly token: string | undefined;
  /** Basic authentication. The password is never logged. */
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tenant: string | undefined;
  /** What replicas sign shared results with. Never logged. */
  readonly cacheKey: string | undefined;
}

export const prometheusRows = {
  CUJ_GATE_PROMETHEUS_URL: {
    required: true,
    default: undefined,
    description:
      "Base URL of Prometheus, Thanos, Mimir (with /prometheus) or VictoriaMetrics: that below which /api/v1/query is. Required by 'serve' with the backend prometheus, and where a source names it.",
    read: baseUrl('http://prometheus.monitoring:9090'),
  },
  CUJ_GATE_PROMETHEUS_TOKEN: {
    default: undefined,
    description: 'Bearer token for it. Or CUJ_GATE_PROMETHEUS_TOKEN_FILE. Default: none is sent.',
    read: tokenText,
    secret: true,
  },
  CUJ_GATE_PROMETHEUS_USERNAME: {
    default: undefined,
    description: 'User name for basic authentication, with CUJ_GATE_PROMETHEUS_PASSWORD.',
    read: userName,
  },
  CUJ_GATE_PROMETHEUS_PASSWORD: {
    default: undefined,
    description: 'Password for basic authentication. Or CUJ_GATE_PROMETHEUS_PASSWORD_FILE.',
    read: anyText,
    secret: true,
  },
  CUJ_GATE_PROMETHEUS_TENANT: {
    default: undefined,
    description: 'Tenant, sent as X-Scope-OrgID: for Mimir and other backends with tenants.',
    read: headerText,
  },
  CUJ_GATE_PROMETHEUS_CACHE_KEY: {
    default: undefined,
    description:
      'Key that replicas sign shared results with, any 16 characters or more. Or CUJ_GATE_PROMETHEUS_CACHE_KEY_FILE. Required with CUJ_GATE_REDIS_URL where neither a token nor a password is set; they are used otherwise.',
    read: cacheKeyText,
    secret: true,
  },
} as const satisfies SettingRows;

/** Adds a sentence to `problems` where settings exclude or require each other. */
export function readPrometheusSettings(
  values: ValuesOf<typeof prometheusRows>,
  { sharesCache, problems }: SettingsContext,
): PrometheusSettings {
  const token = values.CUJ_GATE_PROMETHEUS_TOKEN;
  const username = values.CUJ_GATE_PROMETHEUS_USERNAME;
  const password = values.CUJ_GATE_PROMETHEUS_PASSWORD;
  const cacheKey = values.CUJ_GATE_PROMETHEUS_CACHE_KEY;
  if (token !== undefined && username !== undefined)
    problems.push(
      'CUJ_GATE_PROMETHEUS_TOKEN and CUJ_GATE_PROMETHEUS_USERNAME are both set: a request has one of them. Remove the other.',
    );
  if (username !== undefined && password === undefined)
    problems.push('CUJ_GATE_PROMETHEUS_USERNAME is set without CUJ_GATE_PROMETHEUS_PASSWORD: set both.');
  if (username === undefined && password !== undefined)
    problems.push('CUJ_GATE_PROMETHEUS_PASSWORD is set without CUJ_GATE_PROMETHEUS_USERNAME: set both.');
  if (sharesCache && (cacheKey ?? token ?? password) === undefined)
    problems.push(
      'CUJ_GATE_REDIS_URL is set without CUJ_GATE_PROMETHEUS_CACHE_KEY: anyone who can write to Redis could forge a pass. Set a random key, the same in all replicas.',
    );
  return {
    url: values.CUJ_GATE_PROMETHEUS_URL,
    token,
    username,
    password,
    tenant: values.CUJ_GATE_PROMETHEUS_TENANT,
    cacheKey,
  };
}

function headerText(text: string): Read<string> {
  return /^[\x21-\x7e]{1,500}$/.test(text)
    ? { value: text }
    : { wrong: 'is not a tenant (at most 500 printable characters without a space)' };
}

function userName(text: string): Read<string> {
  return /^[\x20-\x39\x3b-\x7e]{1,500}$/.test(text)
    ? { value: text }
    : { wrong: 'is not a user name (at most 500 printable characters without a colon)' };
}

function cacheKeyText(text: string): Read<string> {
  return text.length >= 16 ? { value: text } : { wrong: 'is shorter than 16 characters' };
}
