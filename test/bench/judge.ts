import path from 'node:path';
import { build } from 'esbuild';
import type { Figure } from './figure.ts';
import { run } from './processes.ts';

/** What a verdict on the largest question that is expected may take, in µs. */
const atMost = 200;

/** One verdict from counts, bundled as the image's program is: tsx names every function anew, which the image does not. */
export async function measureJudge(rounds: number, folder: string): Promise<Figure[]> {
  const outfile = path.join(folder, 'judge.mjs');
  await build({
    entryPoints: [path.join(import.meta.dirname, 'judge-child.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    minifyWhitespace: true,
  });
  const { stdout } = await run(process.execPath, [outfile, String(rounds)]);
  const cases: { name: string; medians: number[] }[] = JSON.parse(stdout);
  return cases.map(({ name, medians }) => ({
    name: `judge: ${name}`,
    values: medians,
    unit: 'µs',
    ...(name.startsWith('50 ') ? { target: { atMost } } : {}),
  }));
}
