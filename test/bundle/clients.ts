import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { trimmedClient } from '../../src/bundle/client-plugin.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);
const client = '@datadog/datadog-api-client/dist';
const parts = {
  v1Metrics: `${client}/packages/datadog-api-client-v1/apis/MetricsApi.js`,
  v1Slos: `${client}/packages/datadog-api-client-v1/apis/ServiceLevelObjectivesApi.js`,
  v1Authentication: `${client}/packages/datadog-api-client-v1/apis/AuthenticationApi.js`,
  v2Metrics: `${client}/packages/datadog-api-client-v2/apis/MetricsApi.js`,
  configuration: `${client}/packages/datadog-api-client-common/configuration.js`,
  servers: `${client}/packages/datadog-api-client-common/servers.js`,
  auth: `${client}/packages/datadog-api-client-common/auth.js`,
  http: `${client}/packages/datadog-api-client-common/http/http.js`,
} as const;

// biome-ignore lint/suspicious/noExplicitAny: the client's modules, called by the names of recorded exchanges
export type Client = Record<keyof typeof parts, any>;

/** The complete installed client. */
export function fullClient(): Client {
  return Object.fromEntries(Object.entries(parts).map(([name, file]) => [name, require(file)])) as Client;
}

/** The client in the bundle of a program with these sources. */
export async function clientTrimmedFor(ownSources: readonly string[]): Promise<Client> {
  const apis = ownSources.join('\n');
  const wanted = Object.entries(parts).filter(([, file]) => !file.includes('/apis/') || apis.includes(file));
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cuj-gate-trimmed-'));
  try {
    const result = await build({
      stdin: {
        contents: wanted
          .map(([name, file]) => `exports.${name} = require(${JSON.stringify(file)});`)
          .join('\n'),
        resolveDir: root,
      },
      absWorkingDir: root,
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      format: 'cjs',
      logLevel: 'silent',
      plugins: [trimmedClient(path.join(root, 'node_modules', client), ownSources)],
    });
    const file = path.join(folder, 'client.cjs');
    await writeFile(file, result.outputFiles[0]?.contents ?? '');
    return require(file) as Client;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The text of our own adapter. Its calls of the client decide what the product's bundle holds. */
export function adapterSources(): string[] {
  const folder = path.join(root, 'src', 'sources', 'datadog', 'api');
  return readdirSync(folder).map((file) => readFileSync(path.join(folder, file), 'utf8'));
}

export interface Exchange {
  readonly file: string;
  readonly request: { readonly method: string; readonly url: string; readonly body: unknown };
  readonly response: {
    readonly status: number;
    readonly headers: Record<string, string>;
    readonly body: unknown;
  };
}

export function recordings(): Exchange[] {
  const folder = path.join(root, 'test', 'testdata', 'datadog-recordings');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => {
      const { exchanges } = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as {
        exchanges: Omit<Exchange, 'file'>[];
      };
      return exchanges.map((exchange) => ({ ...exchange, file }));
    });
}

/** The call of the client that makes a recorded request. */
export interface Call {
  readonly api: 'v1Metrics' | 'v1Slos' | 'v1Authentication' | 'v2Metrics';
  readonly operation: string;
  /** In the client's own names. */
  readonly param: Record<string, unknown>;
}

/** The call behind a recorded request. */
export function callOf({ request: { method, url, body } }: Exchange): Call {
  const { pathname, searchParams } = new URL(url);
  const known: [RegExp, (id: string) => Call][] = [
    [
      /^POST \/api\/v2\/query\/scalar$/,
      () => ({ api: 'v2Metrics', operation: 'queryScalarData', param: { body: inClientNames(body) } }),
    ],
    [
      /^POST \/api\/v2\/query\/timeseries$/,
      () => ({ api: 'v2Metrics', operation: 'queryTimeseriesData', param: { body: inClientNames(body) } }),
    ],
    [
      /^POST \/api\/v1\/slo$/,
      () => ({ api: 'v1Slos', operation: 'createSLO', param: { body: inClientNames(body) } }),
    ],
    [
      /^DELETE \/api\/v1\/slo\/(\w+)$/,
      (sloId) => ({ api: 'v1Slos', operation: 'deleteSLO', param: { sloId } }),
    ],
    [
      /^GET \/api\/v1\/slo\/(\w+)\/history$/,
      (sloId) => ({
        api: 'v1Slos',
        operation: 'getSLOHistory',
        param: {
          sloId,
          fromTs: Number(searchParams.get('from_ts')),
          toTs: Number(searchParams.get('to_ts')),
        },
      }),
    ],
    [
      /^GET \/api\/v1\/query$/,
      () => ({
        api: 'v1Metrics',
        operation: 'queryMetrics',
        param: {
          from: Number(searchParams.get('from')),
          to: Number(searchParams.get('to')),
          query: searchParams.get('query'),
        },
      }),
    ],
    [/^GET \/api\/v1\/validate$/, () => ({ api: 'v1Authentication', operation: 'validate', param: {} })],
  ];
  for (const [pattern, call] of known) {
    const match = pattern.exec(`${method} ${pathname}`);
    if (match) return call(match[1] ?? '');
  }
  throw new Error(`no call of the client is known for ${method} ${pathname}`);
}

/** snake_case keys of the API as the camelCase attributes of the client's models. */
function inClientNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inClientNames);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      inClientNames(inner),
    ]),
  );
}

/** The observable parts of one call: the request that was sent, and the returned value or error. */
export async function observe(
  client: Client,
  { api, operation, param }: Call,
  answer: { status: number; contentType: string; text: string },
): Promise<unknown> {
  let sent: unknown;
  const httpApi = {
    // biome-ignore lint/suspicious/noExplicitAny: RequestContext of either client
    async send(request: any) {
      sent = {
        method: request.getHttpMethod(),
        url: request.getUrl(),
        headers: request.getHeaders(),
        body: request.getBody(),
      };
      return new client.http.ResponseContext(
        answer.status,
        { 'content-type': answer.contentType },
        { text: async () => answer.text, binary: async () => Buffer.from(answer.text) },
      );
    },
  };
  const { Configuration } = client.configuration;
  const server = new client.servers.BaseServerConfiguration('http://127.0.0.1:1', {});
  const keys = {
    apiKeyAuth: new client.auth.ApiKeyAuthAuthentication('api-key'),
    appKeyAuth: new client.auth.AppKeyAuthAuthentication('app-key'),
  };
  const configuration = new Configuration(server, 0, {}, httpApi, keys, {}, false, false, 0, 2, 2, {});
  const Api = Object.entries(client[api]).find(([name]) => name.endsWith('Api'))?.[1] as new (
    configuration: unknown,
  ) => Record<string, (param: unknown) => Promise<unknown>>;
  try {
    const value = await new Api(configuration)[operation]?.(param);
    return { sent, value: described(value) };
  } catch (error) {
    const { name, message, code, body } = error as Record<string, unknown>;
    return { sent, error: { name, message, code, body: described(body) } };
  }
}

/** A value with the class of every object in it, so that two clients' objects can be compared. */
function described(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(described);
  if (value instanceof Date) return { class: 'Date', at: value.getTime() };
  if (typeof value !== 'object' || value === null) return value;
  return {
    // esbuild puts an underscore before the name of a class that mentions itself.
    class: value.constructor?.name.replace(/^_/, ''),
    of: Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, described(inner)])),
  };
}
