import { Command, InvalidArgumentError } from 'commander';
import { examine } from '../doctor/examine.ts';
import { type DoctorFinding, type Severity, severities } from '../doctor/finding.ts';
import type { BackendFacts } from '../domain/ports/backend-facts.ts';
import { type Colors, colorsFor } from './render/colors.ts';
import { exitCodes, type Io } from './support/io.ts';
import { withDatadog } from './support/open-datadog.ts';

const about = `Check the registry against the live Datadog, read-only: keys and scopes, metrics, tags of the selectors, \
traffic of every endpoint in the last day, status codes, SLOs. Prints what is wrong, what it means for verdicts, and how \
to fix it. Exit code 1 if there are errors. Requires DD_API_KEY and DD_APP_KEY.`;

interface Options {
  readonly registry?: string;
  readonly json?: boolean;
  readonly top: number;
}

export function doctorCommand(io: Io, exit: (code: number) => void): Command {
  return new Command('doctor')
    .description(about)
    .option('--registry <path>', 'the registry (default: CUJ_GATE_REGISTRY)')
    .option('--top <n>', 'number of busy routes without a CUJ to list for each service', wholeNumber, 10)
    .option('--json', 'print JSON')
    .action(async (options: Options) => {
      const code = await withDatadog(io, options.registry, async (datadog, registry) => {
        const facts = await datadog.survey(registry, (what) => void io.stderr.write(`querying ${what}\n`));
        const findings = examine(registry, facts, { top: options.top });
        io.stdout.write(
          options.json === true
            ? jsonText(registry.digest, facts, findings)
            : text(findings, facts, colorsFor(io)),
        );
        return findings.some(({ severity }) => severity === 'error') ? exitCodes.no : exitCodes.good;
      });
      exit(code);
    });
}

function wholeNumber(value: string): number {
  if (!/^\d{1,3}$/.test(value)) throw new InvalidArgumentError('expected a whole number below 1000.');
  return Number(value);
}

function jsonText(
  registryDigest: string,
  { calls, fromMs, toMs }: BackendFacts,
  findings: readonly DoctorFinding[],
): string {
  const span = { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
  return `${JSON.stringify({ registryDigest, ...span, calls, counts: countsOf(findings), findings }, null, 2)}\n`;
}

function text(findings: readonly DoctorFinding[], { calls }: BackendFacts, colors: Colors): string {
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
  const summary = `${amount(counts.error, 'error')}, ${amount(counts.warning, 'warning')}, ${amount(counts.info, 'note')}; ${amount(calls, 'call')} to Datadog\n`;
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
