import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { parse } from 'yaml';
import { SourceError } from '../domain/errors.ts';
import { listed } from '../domain/name-lists.ts';
import type { SourceDialect } from '../domain/registry/source-dialect.ts';
import { type OpenApiRoutes, readOpenApi } from '../init/openapi.ts';
import { proposeRegistry } from '../init/proposal.ts';
import { routeOfResource } from '../init/routes.ts';
import { readBackend, SettingsError, unchosenBackend } from '../settings/settings.ts';
import { datadogDialect } from '../sources/datadog/query/dialect.ts';
import type { BackendName } from '../sources/dialects/dialects.ts';
import { prometheusDialect } from '../sources/prometheus/query/dialect.ts';
import { isGroupBy } from '../sources/prometheus/query/found-counters.ts';
import { sentence } from './render/sentence.ts';
import {
  fromDescription,
  fromPrometheus,
  Misuse,
  type PrometheusInitOptions,
  prometheusTextOf,
} from './support/init-prometheus.ts';
import { exitCodes, type Io } from './support/io.ts';
import { openDatadog } from './support/open-backend.ts';

const about = `Propose a first registry from the busiest routes of a service in Datadog, or of the services in Prometheus (CUJ_GATE_BACKEND=prometheus), \
or offline from an OpenAPI file. Prints valid YAML on stdout. It is a proposal to edit: its comments say what you have to decide.`;

const examples = `
Examples:
  cuj-gate init --service member-api --env production --out cujs.yaml
  cuj-gate init --service member-api --openapi openapi.yaml --out cujs.yaml
  CUJ_GATE_BACKEND=prometheus CUJ_GATE_PROMETHEUS_URL=http://localhost:9090 cuj-gate init --out cujs.yaml
  CUJ_GATE_BACKEND=prometheus cuj-gate init --counter http_requests_total --failures 'code=~"5.."'`;

interface Options extends PrometheusInitOptions {
  readonly operation?: string;
  readonly out?: string;
}

export function initCommand(io: Io, exit: (code: number) => void): Command {
  const ofPrometheus = 'with Prometheus:';
  return new Command('init')
    .description(about)
    .option(
      '--service <name>',
      'the service tag; with Prometheus the label of the service (default there: the busiest services)',
      pattern(/^[a-z0-9]([a-z0-9_.-]{0,98}[a-z0-9])?$/, 'the service tag as Datadog stores it'),
    )
    .option(
      '--env <env>',
      'the env tag',
      pattern(/^[a-z0-9_:./-]{1,200}$/, 'the env tag as Datadog stores it'),
      'production',
    )
    .option(
      '--operation <span>',
      'the span name, such as express.request (default: looked up in Datadog)',
      pattern(/^[A-Za-z][A-Za-z0-9_.]{0,150}$/, 'a span name such as http.request'),
    )
    .option('--openapi <file>', 'an OpenAPI 3 description (YAML or JSON) instead of the backend')
    .option('--top <n>', 'number of routes to propose, busiest first', wholeNumber, 60)
    .option(
      '--counter <counter>',
      `${ofPrometheus} the counter of requests: preset:istio, a name, or a selector (default: the presets that are there)`,
      pattern(/^[^\p{C}]{1,1000}$/u, 'the name of a counter, such as http_requests_total'),
    )
    .option('--service-label <label>', `${ofPrometheus} the label that has the service`, labelName)
    .option('--failures <matchers>', `${ofPrometheus} which requests failed, such as code=~"5.."`)
    .option(
      '--group-by <labels>',
      `${ofPrometheus} the labels of an endpoint, such as method/route`,
      (value: string) => {
        if (!isGroupBy(value))
          throw new InvalidArgumentError(
            'expected names of labels in lower case, joined by "/", such as method/route.',
          );
        return value;
      },
    )
    .option(
      '--canary-label <label>',
      `${ofPrometheus} the label that tells the canary from stable`,
      labelName,
    )
    .option('--out <file>', 'write it into a new file, if all goes well (default: standard output)')
    .addHelpText('after', examples)
    .action(async (options: Options) => {
      const { out } = options;
      try {
        if (out === undefined) io.stdout.write(await proposal(options, io));
        else await writeNew(out, () => proposal(options, io), io);
        exit(exitCodes.good);
      } catch (error) {
        if (!(error instanceof Misuse)) throw error;
        if (error.message !== '') io.stderr.write(`cuj-gate init: ${error.message}\n`);
        exit(exitCodes.misuse);
      }
    });
}

/** Throws Misuse where the file is there, before the text is made, or cannot be written. */
async function writeNew(file: string, textOf: () => Promise<string>, io: Io): Promise<void> {
  if (existsSync(file)) throw new Misuse(`${file} is there already: remove it, or name another file.`);
  const text = await textOf();
  try {
    await writeFile(file, text, { flag: 'wx' });
  } catch (error) {
    throw new Misuse(`${file} cannot be written: ${(error as Error).message}.`);
  }
  io.stderr.write(`wrote ${file}; next: cuj-gate validate ${file}\n`);
}

/** Options that only one backend understands, with what to do in place of them. */
const foreign = {
  datadog: ['counter', 'serviceLabel', 'failures', 'groupBy', 'canaryLabel'],
  prometheus: ['operation'],
} as const;

async function proposal(options: Options, io: Io): Promise<string> {
  const backend = backendOf(io);
  if (!Object.hasOwn(foreign, backend))
    throw new Misuse(
      `init works with ${Object.keys(foreign).join(' and ')} only, and CUJ_GATE_BACKEND is ${backend}.`,
    );
  const wrong = foreign[backend].find((name) => options[name] !== undefined);
  if (wrong !== undefined) {
    const written = `--${wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new Misuse(
      backend === 'datadog'
        ? `${written} is for Prometheus. Set CUJ_GATE_BACKEND=prometheus, or remove it.`
        : `${written} is for traces in Datadog, and CUJ_GATE_BACKEND is ${backend}. Remove it; --counter names a counter.`,
    );
  }
  const { openapi } = options;
  const isPrometheus = backend === 'prometheus';
  if (isPrometheus && openapi === undefined) return await fromPrometheus(options, io);
  const { service } = options;
  if (service === undefined) {
    const unchosen = unchosenBackend(io.env);
    throw new Misuse(
      unchosen === undefined
        ? `required option '--service <name>' not specified${backendNote(io)}`
        : `${unchosen}, give --service.`,
    );
  }
  const named = { ...options, service };
  if (openapi === undefined) return await fromDatadog(named, io);
  const description = await readDescription(openapi, isPrometheus ? prometheusDialect : datadogDialect);
  const text = isPrometheus ? prometheusTextOf(named, description) : datadogTextOf(named, description);
  if (text === undefined) throw new Misuse(`${openapi} has no route that could be judged.`);
  return text;
}

function backendNote({ env }: Io): string {
  return env.CUJ_GATE_BACKEND ? '' : '. For Prometheus, export CUJ_GATE_BACKEND=prometheus';
}

function backendOf({ env }: Io): BackendName {
  try {
    return readBackend(env);
  } catch (error) {
    if (error instanceof SettingsError) throw new Misuse(error.problems.join(' '));
    throw error;
  }
}

async function readDescription(file: string, dialect: SourceDialect): Promise<OpenApiRoutes> {
  try {
    // The YAML parser reads JSON too.
    return readOpenApi(parse(await readFile(file, 'utf8'), { merge: true, maxAliasCount: -1 }), dialect);
  } catch (error) {
    throw new Misuse(`${file} cannot be used: ${(error as Error).message}`);
  }
}

type Named<O> = O & { readonly service: string };

function datadogTextOf(options: Named<Options>, description: OpenApiRoutes): string | undefined {
  const { routes, leftOut } = description;
  return proposeRegistry({
    ...options,
    operation: options.operation ?? 'http.request',
    operationNote:
      options.operation === undefined
        ? 'CHECK: http.request for Go, express.request for Express, servlet.request for Java; cuj-gate doctor finds it'
        : 'the span name in trace.<operation>.hits',
    canaryNote: 'needs DD_VERSION, or the pod label tags.datadoghq.com/version',
    routes,
    leftOut,
    from: fromDescription(description),
  });
}

async function fromDatadog(options: Named<Options>, io: Io): Promise<string> {
  const datadog = await openDatadog(io);
  // Already reported.
  if (datadog === undefined) throw new Misuse('');
  const { service, env } = options;
  try {
    io.stderr.write(`querying the traffic of ${service} in ${env} over the last day\n`);
    const found = await datadog.serviceRoutes(service, env, options.operation);
    const [serving, ...others] = found.operations;
    if (serving === undefined) {
      const { services, envs } = found.elsewhere;
      const known = [
        ...(envs.length === 0 ? [] : [`It has traffic in ${listed(envs)}: see --env.`]),
        ...(services.length === 0 ? [] : [`Services in ${env}: ${listed(services, 20)}.`]),
      ].join(' ');
      throw new Misuse(
        `${service} had no hits in ${env} over the last day${options.operation === undefined ? '' : ` under ${options.operation}`}. ${known === '' ? 'Check --service, --env and DD_SITE.' : `Check --service and --env. ${known}`}`,
      );
    }
    const total = [...serving.routes.values()].reduce((sum, hits) => sum + hits, 0);
    const text = proposeRegistry({
      ...options,
      operation: serving.operation,
      operationNote:
        others.length === 0
          ? 'the span name in trace.<operation>.hits, found in Datadog'
          : `found in Datadog; it also has hits under ${others.map(({ operation }) => operation).join(', ')}`,
      canaryNote:
        found.versions.size === 0
          ? 'CHECK: no hit carries a version; set DD_VERSION, or the pod label tags.datadoghq.com/version'
          : `versions of the last day: ${[...found.versions.keys()].slice(0, 3).join(', ')}`,
      routes: [...serving.routes].map(([name, hits]) =>
        routeOfResource(name, hits / total, serving.operation),
      ),
      leftOut: [],
      from: `the traffic of ${service} in ${env} over the last day`,
    });
    if (text === undefined) {
      throw new Misuse(
        `${service} has hits under ${serving.operation}, but none on a route. Set --operation.`,
      );
    }
    return text;
  } catch (error) {
    if (error instanceof SourceError) throw new Misuse(`${sentence(error.message)} ${error.hint}`);
    throw error;
  } finally {
    await datadog.close();
  }
}

function pattern(wanted: RegExp, what: string): (value: string) => string {
  return (value) => {
    if (!wanted.test(value)) throw new InvalidArgumentError(`expected ${what}.`);
    return value;
  };
}

const labelName = pattern(/^[A-Za-z_][A-Za-z0-9_]{0,200}$/, 'the name of a label, such as version');

function wholeNumber(value: string): number {
  if (!/^[1-9]\d{0,2}$/.test(value)) throw new InvalidArgumentError('expected a whole number from 1 to 999.');
  return Number(value);
}
