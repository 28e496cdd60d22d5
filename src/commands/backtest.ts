import { setTimeout as delay } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { type Backtest, backtest } from '../backtest/backtest.ts';
import { plainMinRequests } from '../backtest/replay.ts';
import { scoreOf } from '../backtest/score.ts';
import { floorMinute, hourMs } from '../domain/duration.ts';
import { SourceError } from '../domain/errors.ts';
import type { BackendSession } from '../domain/ports/backend-session.ts';
import type { Registry } from '../domain/registry/model.ts';
import { serviceNotFound } from '../evaluation/evaluator.ts';
import { requiredOfBackends } from '../settings/settings.ts';
import { backtestText, type Scores } from './render/backtest.ts';
import { colorsFor } from './render/colors.ts';
import { sentence } from './render/sentence.ts';
import { environmentOption } from './support/environment-option.ts';
import { exitCodes, type Io } from './support/io.ts';
import { withBackend } from './support/open-backend.ts';
import { retryOnRateLimit, type Sleep } from './support/rate-limit-retry.ts';

const about = `Find the rollouts of the last days and replay each as the gate would have judged it: once a minute, with the data \
up to that minute. Shows which rollouts the gate would have aborted, when and why, which it would have passed, which \
stayed inconclusive, and what a plain total error rate would have done. With --bad, counts caught, missed and falsely \
aborted versions. Read-only: one call per scope and one per rollout, a second apart. Exit code 0; with --bad, 1 if a bad \
version is missed or another one would have been aborted. Requires ${requiredOfBackends}.`;

const examples = `
Examples:
  cuj-gate backtest --registry cujs.yaml --days 30
  cuj-gate backtest --service member-api --bad v1.42.0 --bad v1.40.3
  cuj-gate backtest --days 7 --json

A rollout is found where a version of a service has its first traffic while another version has traffic. This requires a
canary selector of one tag with one placeholder, such as version:{version}.`;

const everyMs = 1_000;

interface Options {
  readonly registry?: string;
  readonly environment?: string;
  readonly days: number;
  readonly service?: string;
  readonly bad?: readonly string[];
  readonly threshold: number;
  readonly max: number;
  readonly json?: boolean;
}

/** Tests provide `sleep`. */
export function backtestCommand(io: Io, exit: (code: number) => void, sleep: Sleep = delay): Command {
  return new Command('backtest')
    .description(about)
    .option('--registry <path>', 'the registry (default: CUJ_GATE_REGISTRY)')
    .addOption(environmentOption())
    .option('--days <n>', 'number of days to look back, up to 90', upTo(90), 30)
    .option('--service <name>', 'only the rollouts of this service')
    .option('--bad <version>', 'a version that is known to be bad; may be repeated', collect)
    .option('--threshold <percent>', 'total error rate above which a plain analysis would abort', percent, 1)
    .option('--max <n>', 'maximum number of rollouts, newest first', upTo(500), 100)
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(async (options: Options) => {
      const code = await withBackend(io, options, async (backend, registry) => {
        const { service } = options;
        if (service !== undefined && !registry.services.has(service)) {
          const { message, details } = serviceNotFound(registry, service);
          const known = [...registry.services.keys()].join(', ');
          const nearest = (details.nearest as string[])[0];
          io.stderr.write(
            `cuj-gate backtest: ${message} ${nearest === undefined ? `Services are: ${known}.` : `Did you mean "${nearest}"?`}\n`,
          );
          return exitCodes.misuse;
        }
        try {
          return print(io, registry, await run(io, backend, registry, options, sleep), options);
        } catch (error) {
          if (!(error instanceof SourceError)) throw error;
          io.stderr.write(`cuj-gate backtest: ${sentence(error.message)} ${error.hint}\n`);
          return exitCodes.misuse;
        }
      });
      exit(code);
    });
}

async function run(
  io: Io,
  backend: BackendSession,
  registry: Registry,
  { days, service, max, threshold }: Options,
  sleep: Sleep,
): Promise<Backtest> {
  const toMs = Math.floor(floorMinute(backend.now() - 120_000) / hourMs) * hourMs;
  const paced = retryOnRateLimit(everyMs, sleep, (seconds) => {
    io.stderr.write(`rate limit exhausted: waiting for ${seconds} s\n`);
  });
  const source = await backend.source();
  return backtest(
    registry,
    {
      fromMs: toMs - days * 24 * hourMs,
      toMs,
      service,
      maxRollouts: max,
      threshold: { ratio: threshold / 100, minRequests: plainMinRequests },
    },
    {
      versionHits: (...question) => paced(() => backend.versionHits(...question)),
      measure: (query) => paced(() => source.measure(query, new AbortController().signal)),
      onProgress: (what) => void io.stderr.write(`${what}\n`),
    },
  );
}

function print(io: Io, { services }: Registry, result: Backtest, { bad, json, threshold }: Options): number {
  const storedAs = (service: string, version: string) =>
    services.get(service)?.dialect.storedTagValue(version) ?? version;
  const scored = (isAborted: Parameters<typeof scoreOf>[2]) =>
    bad === undefined ? undefined : scoreOf(result.rollouts, bad, isAborted, storedAs);
  const gate = scored(({ outcome }) => outcome === 'abort');
  const plain = scored(({ total }) => total.firstFail !== null);
  const scores: Scores | undefined =
    gate === undefined || plain === undefined ? undefined : { gate: gate.score, threshold: plain.score };
  io.stdout.write(
    json === true
      ? `${JSON.stringify({ ...result, thresholdPercent: threshold, ...(scores === undefined ? {} : { scores }) }, null, 2)}\n`
      : backtestText(result, threshold, scores, colorsFor(io)),
  );
  if (gate === undefined) return exitCodes.good;
  if (gate.unknown.length > 0) {
    const known = [...new Set(result.rollouts.map(({ version }) => version))].join(', ');
    io.stderr.write(
      `cuj-gate backtest: no rollout of ${gate.unknown.join(', ')} was found. ${known === '' ? 'There are no rollouts.' : `Found: ${known}.`}\n`,
    );
    return exitCodes.misuse;
  }
  return gate.score.missed.length + gate.score.falselyAborted.length === 0 ? exitCodes.good : exitCodes.no;
}

function upTo(max: number): (value: string) => number {
  return (value) => {
    if (!/^[1-9]\d{0,2}$/.test(value) || Number(value) > max) {
      throw new InvalidArgumentError(`expected a whole number from 1 to ${max}.`);
    }
    return Number(value);
  };
}

function percent(value: string): number {
  const number = /^\d{1,3}(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  if (!(number > 0 && number < 100))
    throw new InvalidArgumentError('expected a percentage between 0 and 100, such as 1.');
  return number;
}

function collect(value: string, known: readonly string[] = []): readonly string[] {
  if (value.trim() === '') throw new InvalidArgumentError('expected a version.');
  return [...known, value];
}
