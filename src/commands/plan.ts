import { Command, InvalidArgumentError } from 'commander';
import { floorMinute, hourMs } from '../domain/duration.ts';
import { SourceError } from '../domain/errors.ts';
import type { SideCounts } from '../domain/metrics/metrics-source.ts';
import type { Registry } from '../domain/registry/model.ts';
import { planTraffic } from '../plan/plan.ts';
import type { HourlyTraffic } from '../plan/traffic-plan.ts';
import type { DatadogSession } from '../server/datadog-session.ts';
import { colorsFor } from './render/colors.ts';
import { planText } from './render/plan.ts';
import { sentence } from './render/sentence.ts';
import { exitCodes, type Io } from './support/io.ts';
import { withDatadog } from './support/open-datadog.ts';

const about = `Show, from the traffic of the last days, which CUJs can be judged at a canary weight and how long that takes: by \
day and in the quietest hour, which breakage would be caught by then, the least sufficient weight, and what helps if \
there is none. Read-only: one call per scope. Exit code 1 if an enforced CUJ cannot be judged at any of the weights. \
Requires DD_API_KEY and DD_APP_KEY.`;

const examples = `
Examples:
  cuj-gate plan --registry cujs.yaml --weight 25
  cuj-gate plan --weight 5 --weight 25 --weight 50     the steps of a rollout
  cuj-gate plan --weight 5,25,50 --days 14 --json`;

const maxDays = 30;

interface Options {
  readonly registry?: string;
  readonly weight?: readonly number[];
  readonly days: number;
  readonly json?: boolean;
}

export function planCommand(io: Io, exit: (code: number) => void): Command {
  return new Command('plan')
    .description(about)
    .option('--registry <path>', 'the registry (default: CUJ_GATE_REGISTRY)')
    .option('--weight <percent>', 'traffic share of the canary; a list, or repeated (default: 25)', weights)
    .option('--days <n>', `number of days of traffic, up to ${maxDays}`, days, 7)
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(async (options: Options) => {
      const { registry: path, weight = [25] } = options;
      const code = await withDatadog(io, path, async (datadog, registry) => {
        const { traffic, refused } = await measure(io, datadog, registry, options.days);
        const plan = planTraffic(registry, traffic, weight);
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

/** The traffic of every scope. Scopes whose query failed are reported on stderr and left out. */
async function measure(
  io: Io,
  datadog: DatadogSession,
  registry: Registry,
  daysBack: number,
): Promise<{ traffic: HourlyTraffic; refused: boolean }> {
  // The newest minutes are incomplete, and an incomplete hour would look like a quiet one.
  const toMs = Math.floor(floorMinute(datadog.now() - 120_000) / hourMs) * hourMs;
  const fromMs = toMs - daysBack * 24 * hourMs;
  const services = new Map<string, SideCounts>();
  let refused = false;
  for (const batch of registry.batches) {
    const names = batch.services.map(({ service }) => service.name).join(', ');
    io.stderr.write(`querying the traffic of ${names}\n`);
    try {
      for (const [name, counts] of await datadog.hourlyTraffic(batch, fromMs, toMs))
        services.set(name, counts);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      refused = true;
      io.stderr.write(`cuj-gate plan: ${names}: ${sentence(error.message)} ${error.hint}\n`);
    }
  }
  return { traffic: { fromMs, toMs, services }, refused };
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

function days(value: string): number {
  if (!/^[1-9]\d?$/.test(value) || Number(value) > maxDays) {
    throw new InvalidArgumentError(`expected a whole number from 1 to ${maxDays}.`);
  }
  return Number(value);
}
