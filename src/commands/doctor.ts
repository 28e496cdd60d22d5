import { setTimeout as delay } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { checkLag, type LagMeasurement, withoutTraffic } from '../doctor/check-lag.ts';
import { examine } from '../doctor/examine.ts';
import { type DoctorFinding, type Severity, severities, worstFirst } from '../doctor/finding.ts';
import { callsOf, watchBuckets, watchRangeMs, watchTarget } from '../doctor/watch-buckets.ts';
import { durationMs, durationText } from '../domain/duration.ts';
import type { BackendFacts } from '../domain/ports/backend-facts.ts';
import type { BackendSession } from '../domain/ports/backend-session.ts';
import type { Registry } from '../domain/registry/model.ts';
import { requiredOfBackends } from '../settings/settings.ts';
import { type Colors, colorsFor } from './render/colors.ts';
import { environmentOption } from './support/environment-option.ts';
import { exitCodes, type Io } from './support/io.ts';
import { withBackend } from './support/open-backend.ts';

const about = `Check the registry against the live backend, read-only: keys and scopes, metrics, tags of the selectors, \
traffic of every endpoint in the last day, status codes, SLOs; with Prometheus the labels and the scrapes of counters. Prints what is wrong, what it means for verdicts, and how \
to fix it. Exit code 1 if there are errors. Requires ${requiredOfBackends}.`;

interface Options {
  readonly registry?: string;
  readonly environment?: string;
  readonly json?: boolean;
  readonly top: number;
  /** Ms. */
  readonly watch?: number;
}

interface Examined {
  readonly registryDigest: string;
  readonly facts: BackendFacts;
  readonly findings: readonly DoctorFinding[];
  /** Calls to the backend. */
  readonly calls: number;
  /** Only with --watch. */
  readonly lag?: LagMeasurement;
}

export function doctorCommand(io: Io, exit: (code: number) => void): Command {
  return new Command('doctor')
    .description(about)
    .option('--registry <path>', 'the registry (default: CUJ_GATE_REGISTRY)')
    .addOption(environmentOption())
    .option('--top <n>', 'number of busy routes without a CUJ to list for each service', wholeNumber, 10)
    .option('--json', 'print JSON')
    .option(
      '--watch <duration>',
      'watch for so long (4m to 30m) how late the newest data of the busiest service is, and recommend a lag',
      watchSpan,
    )
    .addHelpText(
      'after',
      `
Examples:
  cuj-gate doctor --registry cujs.yaml
  cuj-gate doctor --registry cujs.yaml --watch 10m    # during a rollout, so that canary and stable are seen`,
    )
    .action(async (options: Options) => {
      const code = await withBackend(io, { ...options, by: 'sli' }, async (backend, registry) => {
        const examined = await inspect(io, options, backend, registry);
        io.stdout.write(
          options.json === true ? jsonText(examined) : text(examined, backend.backend, colorsFor(io)),
        );
        return examined.findings.some(({ severity }) => severity === 'error') ? exitCodes.no : exitCodes.good;
      });
      exit(code);
    });
}

async function inspect(
  io: Io,
  { top, watch: watchMs }: Options,
  backend: BackendSession,
  registry: Registry,
): Promise<Examined> {
  const facts = await backend.survey(registry, (what) => void io.stderr.write(`querying ${what}\n`));
  const findings = examine(registry, facts, { top });
  const examined: Examined = { registryDigest: registry.digest, facts, findings, calls: facts.calls };
  const { watch } = backend;
  if (watchMs === undefined) return examined;
  const target = watchTarget(registry, facts);
  if (target === undefined) return { ...examined, findings: worstFirst([...findings, withoutTraffic]) };
  io.stderr.write(
    `watching the newest data of ${target.service} for ${durationText(watchMs)}: up to ${callsOf(watchMs)} calls to ${backend.backend}\n`,
  );
  const watched = await watchBuckets(target, watchMs, {
    unit: watch.unit,
    read: watch.recentCounts,
    now: io.now,
    clockSkewMs: () => watch.clockSkewMs(),
    sleep: io.sleep ?? ((ms) => delay(ms)),
  });
  const { lag, findings: ofLag } = checkLag(registry, watched);
  return {
    ...examined,
    findings: worstFirst([...findings, ...ofLag]),
    calls: facts.calls + watched.calls,
    lag,
  };
}

function watchSpan(value: string): number {
  const ms = durationMs(value);
  if (ms === undefined || ms < watchRangeMs.min || ms > watchRangeMs.max) {
    throw new InvalidArgumentError(
      `expected a duration from ${durationText(watchRangeMs.min)} to ${durationText(watchRangeMs.max)}, such as 5m.`,
    );
  }
  return ms;
}

function wholeNumber(value: string): number {
  if (!/^\d{1,3}$/.test(value)) throw new InvalidArgumentError('expected a whole number below 1000.');
  return Number(value);
}

function jsonText({ registryDigest, facts: { fromMs, toMs }, findings, calls, lag }: Examined): string {
  const span = { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
  const report = { registryDigest, ...span, calls, counts: countsOf(findings), findings };
  return `${JSON.stringify(lag === undefined ? report : { ...report, lag }, null, 2)}\n`;
}

function text({ findings, calls }: Examined, backend: string, colors: Colors): string {
  const colour: Record<Severity, (value: string) => string> = {
    error: colors.red,
    warning: colors.yellow,
    info: colors.cyan,
  };
  const blocks = findings.map(
    ({ severity, check, about, message, verdict, fix }) =>
      `${colour[severity](severity.padEnd(7))} ${colors.bold(about)}  ${colors.dim(check)}\n` +
      `        ${message}\n        verdict: ${verdict}\n        fix: ${fix}\n`,
  );
  const counts = countsOf(findings);
  const summary = `${amount(counts.error, 'error')}, ${amount(counts.warning, 'warning')}, ${amount(counts.info, 'note')}; ${amount(calls, 'call')} to ${backend}\n`;
  return [...blocks, summary].join('\n');
}

function countsOf(findings: readonly DoctorFinding[]): Record<Severity, number> {
  const of = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  return Object.fromEntries(severities.map((severity) => [severity, of(severity)])) as Record<
    Severity,
    number
  >;
}

function amount(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
