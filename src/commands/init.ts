import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { parse } from 'yaml';
import { listed } from '../doctor/words.ts';
import { SourceError } from '../domain/errors.ts';
import { readOpenApi } from '../init/openapi.ts';
import { proposeRegistry } from '../init/proposal.ts';
import { routeOfResource } from '../init/routes.ts';
import { sentence } from './render/sentence.ts';
import { exitCodes, type Io } from './support/io.ts';
import { openDatadog } from './support/open-backend.ts';

const about = `Propose a first registry from the busiest routes of a service in Datadog, or offline from an OpenAPI file.
Prints valid YAML on stdout. It is a proposal to edit: its comments say what you have to decide.`;

const examples = `
Examples:
  cuj-gate init --service member-api --env production > cujs.yaml
  cuj-gate init --service member-api --openapi openapi.yaml > cujs.yaml`;

interface Options {
  readonly service: string;
  readonly env: string;
  readonly operation?: string;
  readonly openapi?: string;
  readonly top: number;
}

/** An error that the user can correct. */
class Misuse extends Error {}

export function initCommand(io: Io, exit: (code: number) => void): Command {
  return new Command('init')
    .description(about)
    .requiredOption(
      '--service <name>',
      'the service tag',
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
    .option('--openapi <file>', 'an OpenAPI 3 description (YAML or JSON) instead of Datadog')
    .option('--top <n>', 'number of routes to propose, busiest first', wholeNumber, 60)
    .addHelpText('after', examples)
    .action(async (options: Options) => {
      try {
        const text = await (options.openapi === undefined
          ? fromDatadog(options, io)
          : fromOpenApi(options, options.openapi));
        io.stdout.write(text);
        exit(exitCodes.good);
      } catch (error) {
        if (!(error instanceof Misuse)) throw error;
        if (error.message !== '') io.stderr.write(`cuj-gate init: ${error.message}\n`);
        exit(exitCodes.misuse);
      }
    });
}

async function fromOpenApi(options: Options, file: string): Promise<string> {
  let description: ReturnType<typeof readOpenApi>;
  try {
    // The YAML parser reads JSON too.
    description = readOpenApi(parse(await readFile(file, 'utf8'), { merge: true, maxAliasCount: -1 }));
  } catch (error) {
    throw new Misuse(`${file} cannot be used: ${(error as Error).message}`);
  }
  const { title, routes, leftOut, basePath } = description;
  const text = proposeRegistry({
    ...options,
    operation: options.operation ?? 'http.request',
    operationNote:
      options.operation === undefined
        ? 'CHECK: http.request for Go, express.request for Express, servlet.request for Java; cuj-gate doctor finds it'
        : 'the span name in trace.<operation>.hits',
    canaryNote: 'needs DD_VERSION, or the pod label tags.datadoghq.com/version',
    routes,
    leftOut,
    from: `the OpenAPI description of ${JSON.stringify(title)}${basePath === '' ? '' : ` under ${basePath}`}; write placeholders as the framework does`,
  });
  if (text === undefined) throw new Misuse(`${file} has no route that could be judged.`);
  return text;
}

async function fromDatadog(options: Options, io: Io): Promise<string> {
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

function wholeNumber(value: string): number {
  if (!/^[1-9]\d{0,2}$/.test(value)) throw new InvalidArgumentError('expected a whole number from 1 to 999.');
  return Number(value);
}
