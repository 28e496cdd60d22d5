import type { FoundBase } from '../../github/base-commit.ts';
import type { PullRequestFinding } from '../../pull-request/finding.ts';
import type { ActionInputs } from '../../pull-request/inputs.ts';
import type { Io } from './io.ts';

/** What the checks of a pull request share. */
export interface Checking {
  readonly inputs: ActionInputs;
  readonly base: FoundBase;
  /** The working directory: paths are relative to it. */
  readonly workspace: string;
  /** Without secrets in its environment. */
  readonly io: Io;
}

/** An `io` that keeps what is written, for the output of a command. */
export function capturing(io: Io) {
  const out: string[] = [];
  const err: string[] = [];
  const captured: Io = {
    ...io,
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
  };
  return { io: captured, out: () => out.join(''), err: () => err.join('').trim() };
}

/** A line to copy into a shell. */
export function commandLine(verb: string, args: readonly string[]): string {
  const quoted = args.map((arg) =>
    /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`,
  );
  return `cuj-gate ${verb} ${quoted.join(' ')}`;
}

/** A check that could not run. */
export function misuse(rule: string, message: string, fix: string): PullRequestFinding {
  return { severity: 'error', rule: `${rule}-not-checked`, message, fix };
}
