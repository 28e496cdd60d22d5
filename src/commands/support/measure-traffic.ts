import { InvalidArgumentError, Option } from 'commander';
import { floorMinute, hourMs } from '../../domain/duration.ts';
import { SourceError } from '../../domain/errors.ts';
import type { SideCounts } from '../../domain/metrics/metrics-source.ts';
import type { BackendSession } from '../../domain/ports/backend-session.ts';
import type { Registry } from '../../domain/registry/model.ts';
import type { HourlyTraffic } from '../../plan/traffic-plan.ts';
import { sentence } from '../render/sentence.ts';
import type { Io } from './io.ts';

const maxDays = 30;

/** `--days`, the number of days whose traffic is read. */
export function daysOption(): Option {
  return new Option('--days <n>', `number of days of traffic, up to ${maxDays}`).argParser(days).default(7);
}

/** The traffic of every scope. Scopes whose query failed are reported on stderr and left out: `refused`. */
export async function measureTraffic(
  io: Io,
  command: string,
  backend: BackendSession,
  registry: Registry,
  daysBack: number,
): Promise<{ readonly traffic: HourlyTraffic; readonly refused: boolean }> {
  // The newest minutes are incomplete, and an incomplete hour would look like a quiet one.
  const toMs = Math.floor(floorMinute(backend.now() - 120_000) / hourMs) * hourMs;
  const fromMs = toMs - daysBack * 24 * hourMs;
  const services = new Map<string, SideCounts>();
  let refused = false;
  for (const batch of registry.batches) {
    const names = batch.services.map(({ service }) => service.name).join(', ');
    io.stderr.write(`querying the traffic of ${names}\n`);
    try {
      for (const [name, counts] of await backend.hourlyTraffic(batch, fromMs, toMs))
        services.set(name, counts);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      refused = true;
      io.stderr.write(`cuj-gate ${command}: ${names}: ${sentence(error.message)} ${error.hint}\n`);
    }
  }
  return { traffic: { fromMs, toMs, services }, refused };
}

function days(value: string): number {
  if (!/^[1-9]\d?$/.test(value) || Number(value) > maxDays) {
    throw new InvalidArgumentError(`expected a whole number from 1 to ${maxDays}.`);
  }
  return Number(value);
}
