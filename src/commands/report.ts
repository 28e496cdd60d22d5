import { Command, Option } from 'commander';
import { markdownReport } from '../report/markdown.ts';
import { type BudgetReport, budgetReport, type ReportEntry } from '../report/report.ts';
import { sliText } from '../report/sli-text.ts';
import { requiredOfBackends } from '../settings/settings.ts';
import { type Colors, colorsFor } from './render/colors.ts';
import { openDemo } from './support/demo-datadog.ts';
import { environmentOption } from './support/environment-option.ts';
import { exitCodes, type Io } from './support/io.ts';
import { withBackend } from './support/open-backend.ts';

const about = `Report the error budget that each CUJ has left in its SLO's window, its burn rate, and the actions that are due \
by its errorBudgetPolicy. Budgets come from the SLOs in Datadog: those that sloId names, or those created by generate \
terraform; the application key needs the scope slos_read. With Prometheus, they come from the rules of generate prometheus-slos. Exit \
code 0 regardless of the budgets. Requires ${requiredOfBackends}.`;

interface Options {
  readonly registry?: string;
  readonly environment?: string;
  readonly owner?: string;
  readonly format: 'text' | 'markdown' | 'json';
  readonly json?: boolean;
  readonly demo?: boolean;
}

export function reportCommand(io: Io, exit: (code: number) => void): Command {
  return new Command('report')
    .description(about)
    .option('--registry <path>', 'the registry (default: CUJ_GATE_REGISTRY)')
    .addOption(environmentOption())
    .option('--owner <team>', 'only the CUJs of this owner')
    .addOption(
      new Option('--format <format>', 'output format; markdown is a page for SLO meetings')
        .choices(['text', 'markdown', 'json'])
        .default('text'),
    )
    .option('--json', 'the same as --format json')
    .option(
      '--demo',
      'report the simulated budgets of the demo; needs no account (with --registry: of your CUJs)',
    )
    .action(async (options: Options) => exit(await reportFrom(io, options)));
}

/** From the simulator of the demo, or from the Datadog of the environment. */
async function reportFrom(io: Io, options: Options): Promise<number> {
  if (options.demo !== true) return report(io, options);
  const demo = await openDemo(io, options);
  if (demo === undefined) return exitCodes.misuse;
  try {
    return await report({ ...io, env: demo.env, now: demo.now }, options);
  } finally {
    await demo.stop();
  }
}

function report(io: Io, options: Options): Promise<number> {
  return withBackend(io, { ...options, by: 'sli' }, async (backend, registry) => {
    const cujs = [...registry.cujs.values()].filter(
      ({ owner }) => options.owner === undefined || owner === options.owner,
    );
    if (cujs.length === 0) {
      const owners = [...new Set([...registry.cujs.values()].map(({ owner }) => owner))].sort();
      io.stderr.write(
        `cuj-gate report: no CUJ has the owner "${options.owner}". Owners: ${owners.join(', ')}.\n`,
      );
      return exitCodes.misuse;
    }
    const nowMs = backend.now();
    const budgets = await backend.errorBudgets(cujs, nowMs, {
      recent: true,
      onProgress: (done, of) => {
        if (io.stderr.isTTY === true) io.stderr.write(`\r${done} of ${of} SLOs${done === of ? '\n' : ''}`);
      },
    });
    const report = budgetReport(registry.digest, budgets, nowMs);
    io.stdout.write(texts[options.json === true ? 'json' : options.format](report, colorsFor(io)));
    return exitCodes.good;
  });
}

const texts: Readonly<Record<Options['format'], (report: BudgetReport, colors: Colors) => string>> = {
  text: plainReport,
  markdown: markdownReport,
  json: (report) => `${JSON.stringify(report, null, 2)}\n`,
};

function plainReport({ cujs }: BudgetReport, colors: Colors): string {
  const count = (state: ReportEntry['state']) => cujs.filter((entry) => entry.state === state).length;
  const summary = `${count('due')} with an action due, ${count('unknown')} unknown, ${count('fine')} fine\n`;
  return [...cujs.map((entry) => plainEntry(entry, colors)), summary].join('\n');
}

function plainEntry({ cuj, owner, tier, state, due, slis, window }: ReportEntry, colors: Colors): string {
  const colour = { due: colors.red, unknown: colors.yellow, fine: colors.green }[state];
  const lines = [
    `${colour(state.padEnd(7))} ${colors.bold(cuj)}  ${owner}, tier ${tier}`,
    ...slis.map((sli) => `        ${sliText(sli, window)}`),
    ...due.map(
      ({ action, gate }) =>
        `        due: ${action}${gate === null ? '' : ` (rollouts are judged by the rule ${gate})`}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
