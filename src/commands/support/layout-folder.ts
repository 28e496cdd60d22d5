import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { oneLine } from '../../domain/outside-text.ts';
import { GenerateError } from '../../generate/output/generated-file.ts';
import {
  filesOfLayout,
  kustomizationFile,
  type Layout,
  layoutOfFile,
  placed,
} from '../../generate/output/layout.ts';
import { filesThatStay, type OwnedFile, writtenBefore } from './output-folder.ts';

/** The owner of the files that a layout adds: not a word of the command line. */
const layoutOwner = 'layout';

/** Files at their places, with those of the layout, and the owners whose files are complete. */
export interface Arranged {
  readonly files: readonly OwnedFile[];
  readonly generators: readonly string[];
}

/**
 * Arranges the files of `generators` for a layout. What earlier runs of other generators wrote is included by the layout as
 * well. Throws GenerateError where the folder does not suit the layout, or where none is given and it has one.
 */
export async function arrange(
  folder: string,
  given: Layout | undefined,
  files: readonly OwnedFile[],
  generators: readonly string[],
  force = false,
): Promise<Arranged> {
  const layout = given ?? (await plainOnly(folder));
  if (layout === 'helm') await checkChart(folder);
  if (layout === 'kustomize' && !force) await checkKustomization(folder);
  const there = files.map((file) => placed(file, layout));
  const complete = [...generators, layoutOwner];
  const staying = await filesThatStay(folder, there, complete);
  const elsewhere = staying.filter((file) => placed(file, layout).path !== file.path);
  if (elsewhere.length > 0) {
    const words = [...new Set(elsewhere.map(({ what }) => what))].sort().join(' ');
    throw new GenerateError(
      `${folder} has files of another layout that this command does not generate: ${elsewhere.map(({ path }) => path).join(', ')}.`,
      `Generate ${words} in the same command, without --service, or use another folder.`,
    );
  }
  const added = filesOfLayout(layout, [...there, ...staying]);
  return {
    files: [...there, ...added.map((file) => ({ ...file, what: layoutOwner }))],
    generators: complete,
  };
}

/** A forgotten option must not take the templates out of a chart. */
async function plainOnly(folder: string): Promise<Layout> {
  for (const [path, what] of await writtenBefore(folder)) {
    const layout = what === layoutOwner ? layoutOfFile(path) : undefined;
    if (layout === undefined) continue;
    throw new GenerateError(
      `${folder} was written with --layout ${layout}.`,
      `Give --layout ${layout} again, or --layout plain to remove what it added.`,
    );
  }
  return 'plain';
}

async function checkChart(folder: string): Promise<void> {
  const path = join(folder, 'Chart.yaml');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const missing = code === 'ENOENT' || code === 'ENOTDIR';
    throw new GenerateError(
      missing ? `${path} does not exist.` : `${path} cannot be read: ${oneLine(message)}.`,
      '--layout helm adds files to an existing chart: give the folder of its Chart.yaml as --out.',
    );
  }
  if (/^type:\s*["']?library\b/m.test(text)) {
    throw new GenerateError(
      `${path} is a library chart: Helm renders none of its templates.`,
      'Give the folder of an application chart as --out.',
    );
  }
}

/** A kustomization that people wrote must neither be replaced nor become ambiguous by another name. */
async function checkKustomization(folder: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => []);
  const written = await writtenBefore(folder);
  for (const name of [kustomizationFile, 'kustomization.yml', 'Kustomization']) {
    if (!names.includes(name) || written.has(name)) continue;
    throw new GenerateError(
      `${join(folder, name)} exists and was not written by generate.`,
      `Give a folder of its own as --out, such as ${join(folder, 'cuj-gate')}, and add that to its resources.`,
    );
  }
}
