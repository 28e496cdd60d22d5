import { bundleChild } from './bundle-child.ts';
import type { Figure } from './figure.ts';
import { run } from './processes.ts';

/** The limit for a verdict on 50 endpoints and 120 minutes, in µs. */
const atMost = 1_000;

/** One verdict from counts. */
export async function measureJudge(rounds: number, folder: string): Promise<Figure[]> {
  const { stdout } = await run(process.execPath, [
    await bundleChild('judge-child.ts', folder),
    String(rounds),
  ]);
  const cases: { name: string; medians: number[] }[] = JSON.parse(stdout);
  return cases.map(({ name, medians }) => ({
    name: `judge: ${name}`,
    values: medians,
    unit: 'µs',
    ...(name.startsWith('50 ') ? { target: { atMost } } : {}),
  }));
}
