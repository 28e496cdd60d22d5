import { cp, readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeArchive } from './archive.ts';

export interface ChartArchiveOptions {
  /** A folder for drafts, of which `chart` is used. */
  readonly drafts: string;
  /** The time of all files. */
  readonly epochSeconds: number;
}

/** Packs the checkout's chart as `helm package` does it. That dates the files by the clock, so that no two archives are equal. */
export async function writeChartArchive(
  root: string,
  target: string,
  { drafts, epochSeconds }: ChartArchiveOptions,
): Promise<void> {
  const chart = path.join(root, 'helm', 'cuj-gate');
  const folder = path.join(drafts, 'chart');
  const ignored = (await readFile(path.join(chart, '.helmignore'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((pattern) => new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`));
  await cp(chart, path.join(folder, 'cuj-gate'), {
    recursive: true,
    filter: (file) => !ignored.some((pattern) => pattern.test(path.basename(file))),
  });
  await writeArchive(folder, target, epochSeconds);
}
