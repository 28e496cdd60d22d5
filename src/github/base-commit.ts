import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { ChangeEvent } from '../pull-request/event.ts';

/** What git needs to fetch a commit that the checkout does not have. */
export interface GitAccess {
  /** For temporary files. */
  readonly temp: string;
  /** Of GitHub, such as https://github.com. */
  readonly serverUrl: string;
  readonly token: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A clone that has the commit with which a change is compared. */
export interface BaseCommit {
  readonly commit: string;
  /** The folder of the clone. */
  readonly root: string;
  /** A sentence about what the comparison may say wrongly; absent where it is exact. */
  readonly caveat?: string;
  /**
   * Writes the version of a path of the clone into a temporary folder, and returns its path there; undefined where the
   * commit does not have it.
   */
  readonly materialise: (file: string) => Promise<string | undefined>;
  /** The files below the paths that differ between the commit and the working tree. */
  readonly changedFiles: (
    paths: readonly string[],
  ) => Promise<readonly { readonly file: string; readonly what: 'added' | 'changed' | 'removed' }[]>;
  /** Removes the temporary folders. */
  readonly close: () => Promise<void>;
}

export type FoundBase = BaseCommit | { readonly why: string };

/**
 * Finds what a change is compared with: the base branch as it was merged into the commit that is checked out; otherwise where
 * the branch left the base branch, or the commit that the event names. Fetches it where the checkout is shallow. `why` says
 * what is missing.
 */
export async function findBase(folder: string, event: ChangeEvent, access: GitAccess): Promise<FoundBase> {
  if (event.kind === 'other') return { why: 'this event has no commit to compare with' };
  if (event.base === undefined) return { why: 'the branch is new' };
  const root = await git(folder, access, ['rev-parse', '--show-toplevel']).catch(() => undefined);
  if (root === undefined)
    return { why: 'there is no clone made by git: use actions/checkout before this step' };
  const at = root.replace(/\n$/, '');
  const parents = await parentsOf(at, access);
  const merged = event.kind === 'pull-request' && parents.length === 2 && parents[1] === event.head;
  let commit = merged ? (parents[0] as string) : event.base;
  if (!(await fetched(at, access, commit)))
    return { why: `the commit ${commit.slice(0, 12)} is not in the clone and cannot be fetched` };
  if (event.kind === 'pull-request' && !merged) {
    const fork = await git(at, access, ['merge-base', commit, 'HEAD']).catch(() => '');
    if (/^[0-9a-f]{40,64}\n$/.test(fork)) commit = fork.trim();
    else return { ...(await baseCommit(at, commit, access)), caveat: noHistory };
  }
  return baseCommit(at, commit, access);
}

const noHistory =
  'The checkout is neither the merge commit of the pull request nor has its history, so what the base branch got in the meantime looks as if this change removed it. Leave ref out of actions/checkout, or set fetch-depth: 0.';

/** Also those that a shallow clone does not have. */
async function parentsOf(root: string, access: GitAccess): Promise<readonly string[]> {
  const text = await git(root, access, ['cat-file', '-p', 'HEAD^{commit}']).catch(() => '');
  const [header = ''] = text.split('\n\n');
  return [...header.matchAll(/^parent ([0-9a-f]{40,64})$/gm)].map(([, id]) => id as string);
}

async function fetched(root: string, access: GitAccess, commit: string): Promise<boolean> {
  const has = () =>
    git(root, access, ['cat-file', '-e', `${commit}^{tree}`]).then(
      () => true,
      () => false,
    );
  if (await has()) return true;
  // It would cut the history off that another clone has.
  const isShallow = (await git(root, access, ['rev-parse', '--is-shallow-repository'])).trim() !== 'false';
  const depth = isShallow ? ['--depth=1'] : [];
  const fetch = (config: Readonly<Record<string, string>>) =>
    git(root, { ...access, env: { ...access.env, ...config } }, [
      'fetch',
      '--quiet',
      '--no-tags',
      '--no-recurse-submodules',
      ...depth,
      'origin',
      commit,
    ]).catch(() => '');
  await fetch({});
  if (await has()) return true;
  if (access.token === undefined) return false;
  // Where the checkout kept its credentials this would send two, which GitHub refuses; so it comes second.
  const basic = Buffer.from(`x-access-token:${access.token}`).toString('base64');
  await fetch({
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `http.${access.serverUrl.replace(/\/+$/, '')}/.extraheader`,
    GIT_CONFIG_VALUE_0: `AUTHORIZATION: basic ${basic}`,
  });
  return has();
}

interface TreeEntry {
  readonly isLink: boolean;
  readonly file: string;
}

async function baseCommit(root: string, commit: string, access: GitAccess): Promise<BaseCommit> {
  await mkdir(access.temp, { recursive: true });
  const temp = await mkdtemp(path.join(access.temp, 'cuj-gate-base-'));
  const withIndex = { ...access, env: { ...access.env, GIT_INDEX_FILE: path.join(temp, 'index') } };
  let entries: Promise<readonly TreeEntry[]> | undefined;
  let folders = 0;
  const listed = async (): Promise<readonly TreeEntry[]> => {
    await git(root, withIndex, ['read-tree', commit]);
    const text = await git(root, access, ['ls-tree', '-r', '-z', '--full-tree', commit]);
    return text.split('\0').flatMap((line) => {
      const [, mode, file] = /^(\d+) \w+ [0-9a-f]+\t([\s\S]+)$/.exec(line) ?? [];
      return file === undefined || mode === '160000' ? [] : [{ isLink: mode === '120000', file }];
    });
  };
  return {
    commit,
    root,
    async materialise(file) {
      const relative = path.relative(root, file);
      if (relative === '' || relative.startsWith('..') || path.isAbsolute(relative)) return undefined;
      entries ??= listed();
      const all = await entries;
      const there = all.filter((one) => one.file === relative || one.file.startsWith(`${relative}/`));
      if (there.length === 0) return undefined;
      // A CUE file shares its package and its module with others, and a link may lead anywhere.
      const wanted = there.some(({ isLink }) => isLink)
        ? all
        : relative.endsWith('.cue')
          ? all.filter((one) => /\.cue$|(^|\/)cue\.mod\//.test(one.file))
          : there;
      folders += 1;
      const folder = path.join(temp, `tree-${folders}`);
      const names = wanted.map((one) => one.file).join('\0');
      await git(root, withIndex, ['checkout-index', `--prefix=${folder}/`, '-z', '--stdin'], `${names}\0`);
      return path.join(folder, relative);
    },
    async changedFiles(paths) {
      const inside = paths
        .map((one) => path.relative(root, one) || '.')
        .filter((one) => !one.startsWith('..') && !path.isAbsolute(one));
      if (inside.length === 0) return [];
      const options = ['--no-ext-diff', '--no-textconv', '--no-renames', '--name-status', '-z'];
      const literal = inside.map((one) => `:(top,literal)${one}`);
      const text = await git(root, access, ['diff', ...options, commit, '--', ...literal]);
      const parts = text.split('\0');
      const found: { file: string; what: 'added' | 'changed' | 'removed' }[] = [];
      for (let at = 0; at + 1 < parts.length; at += 2) {
        const status = parts[at] as string;
        const what = status === 'A' ? 'added' : status === 'D' ? 'removed' : 'changed';
        found.push({ file: parts[at + 1] as string, what });
      }
      return found;
    },
    close: () => rm(temp, { recursive: true, force: true }),
  };
}

const run = promisify(execFile);

/** Runs git. Nothing that the working tree holds is run by it: no hooks, no monitor, no filter of big files. */
async function git(
  folder: string,
  { env }: GitAccess,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const safe = [
    'core.hooksPath=/dev/null',
    'core.fsmonitor=false',
    'core.sparseCheckout=false',
    'safe.directory=*',
  ];
  const child = run('git', [...safe.flatMap((one) => ['-c', one]), ...args], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    timeout: 120_000,
    env: { ...env, LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', GIT_LFS_SKIP_SMUDGE: '1' },
  });
  child.child.stdin?.on('error', () => undefined);
  child.child.stdin?.end(input ?? '');
  return (await child).stdout;
}
