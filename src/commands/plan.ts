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
import { askAbout } from './support/open-datadog.ts';

const about = `Says, from the real traffic of the last days, which CUJs can be judged at a canary weight and how long that takes: by \
day and in the quietest hour, what breakage would be caught by then, the least weight that would do, and what helps where \
none does. Read-only, one call for the services of one scope. Exits 1 where an enforced CUJ can be judged at none of the \
weights. Needs DD_API_KEY and DD_APP_KEY.`;

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
    .option(
      '--weight <percent>',
      'share of the traffic that the canary gets; a list, or given again (default: 25)',
      weights,
    )
    .option('--days <n>', `how many days of traffic to look at, up to ${maxDays}`, days, 7)
    .option('--json', 'for machines')
    .addHelpText('after', examples)
    .action(async (options: Options) => {
      const { registry: path, weight = [25] } = options;
      const code = await askAbout(io, path, async (datadog, registry) => {
        const { traffic, refused } = await measure(io, datadog, registry, options.days);
        const plan = planTraffic(registry, traffic, weight);
        if (refused && traffic.services.size === 0) {
          io.stderr.write('cuj-gate plan: nothing could be asked, so nothing can be said.\n');
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

/** The traffic of every scope. What could not be asked for is said on stderr and missing. */
async function measure(
  io: Io,
  datadog: DatadogSession,
  registry: Registry,
  daysBack: number,
): Promise<{ traffic: HourlyTraffic; refused: boolean }> {
  // The newest minutes are not complete; an hour that is not over yet would read as a quiet one.
  const toMs = Math.floor(floorMinute(datadog.now() - 120_000) / hourMs) * hourMs;
  const fromMs = toMs - daysBack * 24 * hourMs;
  const services = new Map<string, SideCounts>();
  let refused = false;
  for (const batch of registry.batches) {
    const names = batch.services.map(({ service }) => service.name).join(', ');
    io.stderr.write(`asking for the traffic of ${names}\n`);
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
    throw new InvalidArgumentError('percent above 0 and up to 100 are expected, such as 25 or 5,25,50.');
  return [...known, ...numbers.map(Number)];
}

function days(value: string): number {
  if (!/^[1-9]\d?$/.test(value) || Number(value) > maxDays) {
    throw new InvalidArgumentError(`a whole number from 1 to ${maxDays} is expected.`);
  }
  return Number(value);
}
