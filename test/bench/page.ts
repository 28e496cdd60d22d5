import { bundleChild } from './bundle-child.ts';
import type { Figure } from './figure.ts';
import { run } from './processes.ts';

/** The limit for the page of a verdict, in ms. */
const atMost = 20;

/** The page of a verdict, without the verdict. */
export async function measurePage(rounds: number, folder: string): Promise<Figure[]> {
  const { stdout } = await run(process.execPath, [
    await bundleChild('page-child.tsx', folder),
    String(rounds),
  ]);
  const cases: { name: string; medians: number[] }[] = JSON.parse(stdout);
  return cases.map(({ name, medians }) => ({
    name: `page: ${name}`,
    values: medians,
    unit: 'ms',
    target: { atMost },
  }));
}
