import os from 'node:os';
import { spawnMortal } from './mortal.ts';

export interface RunProgramOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Priority in the units of `nice`, for programs that use all cores for minutes. */
  nice?: number;
}

/** A program failed. */
export class ProgramFailed extends Error {
  readonly stdout: string;
  readonly stderr: string;

  constructor(what: string, how: number | NodeJS.Signals | null, stdout: string, stderr: string) {
    super(`${what} ended with ${how}:\n${(stderr + stdout).trim().slice(-3000)}`);
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

/**
 * Runs a program and returns its output; the processes that it started end with the run. Throws ProgramFailed if it
 * fails.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, env, nice }: RunProgramOptions = {},
): Promise<{ stdout: string; stderr: string }> {
  const child = spawnMortal(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  if (nice !== undefined && child.pid) os.setPriority(child.pid, nice);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const how = await new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? code));
  });
  if (how === 0) return { stdout, stderr };
  throw new ProgramFailed([program, ...args].join(' '), how, stdout, stderr);
}
