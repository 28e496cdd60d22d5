import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';

export type Files = Readonly<Record<string, string | undefined>>;

/** A repository on "GitHub", with a base branch, a change, and the commit that merges both, as a pull request has it. */
export interface Repository {
  readonly base: string;
  readonly head: string;
  readonly merge: string;
  /** A clone as actions/checkout makes it by default: one commit, without history. */
  checkout(commit?: string, depth?: number): string;
  /** A payload of payloads/, with the commits of this repository. */
  payload(name: string): string;
}

function git(folder: string, ...args: string[]): string {
  const env = {
    ...process.env,
    GIT_AUTHOR_NAME: 'Octavia',
    GIT_AUTHOR_EMAIL: 'octavia@example.com',
    GIT_COMMITTER_NAME: 'Octavia',
    GIT_COMMITTER_EMAIL: 'octavia@example.com',
    GIT_CONFIG_GLOBAL: '/dev/null',
  };
  return execFileSync('git', args, {
    cwd: folder,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}

/** Writes files; undefined removes one. */
export function writeFiles(folder: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    if (text === undefined) rmSync(file);
    else {
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
  }
}

/** `later` is what the base branch gets after the change has left it. */
export function repository(before: Files, change: Files, later: Files = {}): Repository {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'cuj-gate-action-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const origin = path.join(folder, 'origin');
  mkdirSync(origin);
  git(origin, 'init', '--quiet', '--initial-branch=main');
  const commit = (files: Files, message: string) => {
    writeFiles(origin, files);
    git(origin, 'add', '--all');
    git(origin, 'commit', '--quiet', '--allow-empty', '--message', message);
    return git(origin, 'rev-parse', 'HEAD');
  };
  commit(before, 'Base');
  git(origin, 'checkout', '--quiet', '-b', 'change');
  const head = commit(change, 'Change');
  git(origin, 'checkout', '--quiet', 'main');
  const base = Object.keys(later).length === 0 ? git(origin, 'rev-parse', 'HEAD') : commit(later, 'Later');
  git(origin, 'checkout', '--quiet', '--detach');
  git(origin, 'merge', '--quiet', '--no-ff', '--message', 'Merge', head);
  const merge = git(origin, 'rev-parse', 'HEAD');
  git(origin, 'update-ref', 'refs/pull/7/merge', merge);
  let clones = 0;
  return {
    base,
    head,
    merge,
    checkout(commit = merge, depth = 1) {
      clones += 1;
      const workspace = path.join(folder, `workspace-${clones}`);
      mkdirSync(workspace);
      git(workspace, 'init', '--quiet');
      git(workspace, 'remote', 'add', 'origin', `file://${origin}`);
      git(workspace, 'fetch', '--quiet', '--no-tags', `--depth=${depth}`, 'origin', commit);
      git(workspace, 'checkout', '--quiet', '--detach', commit);
      return workspace;
    },
    payload(name) {
      const text = readFileSync(new URL(`payloads/${name}.json`, import.meta.url), 'utf8');
      const file = path.join(folder, `${name}.json`);
      const ids = { b: base, c: merge, d: head };
      writeFileSync(
        file,
        Object.entries(ids).reduce((all, [letter, id]) => all.replaceAll(letter.repeat(40), id), text),
      );
      return file;
    },
  };
}
