import { Command, InvalidArgumentError, Option } from 'commander';
import { durationMs } from '../domain/duration.ts';
import { defaultAnalysisOptions } from '../generate/argo/analysis-options.ts';
import { sampleWaitMinutes } from '../generate/argo/sized-steps.ts';
import { planTraffic } from '../plan/plan.ts';
import { requiredOfBackends } from '../settings/settings.ts';
import { colorsFor } from './render/colors.ts';
import { planText } from './render/plan.ts';
import { environmentOption } from './support/environment-option.ts';
import { exitCodes, type Io } from './support/io.ts';
import { daysOption, measureTraffic } from './support/measure-traffic.ts';
import { withBackend } from './support/open-backend.ts';

const about = `Show, from the traffic of the last days, which CUJs can be judged at a canary weight and how long that takes: by \
day and in the quietest hour, which breakage would be caught by then, the least sufficient weight, which CUJs pass later than \
a rollout waits, and what helps. Read-only: one call per scope. Exit code 1 if an enforced CUJ cannot be judged at any of the \
weights. Requires ${requiredOfBackends}.`;

const examples = `
Examples:
  cuj-gate plan --registry cujs.yaml --weight 25
  cuj-gate plan --weight 5 --weight 25 --weight 50     the steps of a rollout
  cuj-gate plan --weight 5,25,50 --days 14 --json`;

const sampleWait = sampleWaitMinutes(defaultAnalysisOptions);

interface Options {
  readonly registry?: string;
  readonly environment?: string;
  readonly weight?: readonly number[];
  readonly days: number;
  /** Minutes. */
  readonly wait: number;
  readonly json?: boolean;
}

export function planCommand(io: Io, exit: (code: number) => void): Command {
  return new Command('plan')
    .description(about)
    .option('--registry <path>', 'the registry (default: CUJ_GATE_REGISTRY)')
    .addOption(environmentOption())
    .option('--weight <percent>', 'traffic share of the canary; a list, or repeated (default: 25)', weights)
    .addOption(
      new Option(
        '--wait <duration>',
        'how long the rollout waits for a pass after the switch to the weight: its pause, and all measurements of the inline analysis step but the passes in a row',
      )
        .argParser(wait)
        .default(sampleWait, `${Math.floor(sampleWait)} min, that of the generated sample`),
    )
    .addOption(daysOption())
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(async (options: Options) => {
      const { weight = [25] } = options;
      const code = await withBackend(io, { ...options, by: 'sli' }, async (backend, registry) => {
        const { traffic, refused } = await measureTraffic(io, 'plan', backend, registry, options.days);
        const plan = planTraffic(registry, traffic, weight, options.wait);
        if (refused && traffic.services.size === 0) {
          io.stderr.write('cuj-gate plan: all queries failed, there is no plan.\n');
          return exitCodes.misuse;
        }
        io.stdout.write(
          options.json === true ? `${JSON.stringify(plan, null, 2)}\n` : planText(plan, colorsFor(io)),
        );
        if (refused) return exitCodes.misuse;
        return plan.notJudgeable.length === 0 ? exitCodes.good : exitCodes.no;
      });
      exit(code);
    });
}

function weights(value: string, known: readonly number[] = []): readonly number[] {
  const numbers = value.split(',').map((text) => text.trim().replace(/%$/, ''));
  const good = numbers.every(
    (text) => /^\d{1,3}(\.\d+)?$/.test(text) && Number(text) > 0 && Number(text) <= 100,
  );
  if (!good)
    throw new InvalidArgumentError('expected percentages above 0 and up to 100, such as 25 or 5,25,50.');
  return [...known, ...numbers.map(Number)];
}

/** Minutes of a duration. */
function wait(value: string): number {
  const ms = durationMs(value);
  if (ms === undefined) throw new InvalidArgumentError('expected a duration such as 20m.');
  return ms / 60_000;
}
