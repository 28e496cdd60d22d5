import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';

/** Something is wrong with a path that the workflow names. The message says what, and what to do. */
export class WorkspaceError extends Error {
  override readonly name = 'WorkspaceError';
}

const maxEntries = 20_000;

/** The manifests that paths stand for: a file is itself, a folder all *.yaml and *.yml below it. Throws WorkspaceError. */
export async function manifestsOf(workspace: string, paths: readonly string[]): Promise<readonly string[]> {
  const files: string[] = [];
  for (const one of paths) {
    const info = await stat(path.resolve(workspace, one)).catch(() => undefined);
    if (info === undefined) {
      const hint = one.includes('*')
        ? 'Patterns are not expanded: give the folder, all .yaml and .yml files below it are read.'
        : 'Check the path; it is relative to the repository.';
      throw new WorkspaceError(`there is no ${one}. ${hint}`);
    }
    if (!info.isDirectory()) {
      files.push(one);
      continue;
    }
    const below = (await readdir(path.resolve(workspace, one), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && /\.ya?ml$/i.test(entry.name))
      .map((entry) =>
        path.join(one, path.relative(path.resolve(workspace, one), path.join(entry.parentPath, entry.name))),
      )
      .sort();
    if (below.length === 0)
      throw new WorkspaceError(
        `the folder ${one} has no .yaml or .yml file. Give the folder of your manifests.`,
      );
    files.push(...below);
  }
  return files;
}

/**
 * Throws WorkspaceError where a path inside the workspace is, or holds, a link that leads out of it: the author of a change
 * could have the content of any file of the runner shown. A path that the workflow itself names outside is trusted.
 */
export async function refuseLinksOut(workspace: string, paths: readonly string[]): Promise<void> {
  const root = await realpath(workspace);
  let entries = 0;
  const folders = new Set<string>();
  const visit = async (at: string): Promise<void> => {
    entries += 1;
    if (entries > maxEntries)
      throw new WorkspaceError(
        `there are more than ${maxEntries} files in ${paths.join(', ')}. Give a smaller folder.`,
      );
    const info = await lstat(at).catch(() => undefined);
    if (info === undefined) return;
    const real = await realpath(at).catch(() => undefined);
    // The configuration of the clone may hold the token of actions/checkout.
    const inside = real === undefined ? '..' : path.relative(root, real);
    if (real === undefined || inside.startsWith('..') || inside.split(path.sep).includes('.git')) {
      throw new WorkspaceError(
        `${path.relative(root, at)} is a link that leads nowhere, or out of the files of the repository. Replace it with a file.`,
      );
    }
    // A link may lead to a folder that holds links.
    if (folders.has(real) || !(await stat(real)).isDirectory()) return;
    folders.add(real);
    for (const name of await readdir(real)) {
      if (name !== '.git' && name !== 'node_modules') await visit(path.join(real, name));
    }
  };
  for (const one of paths) {
    const at = path.resolve(root, one);
    if (at === root || at.startsWith(`${root}${path.sep}`)) await visit(at);
  }
}
