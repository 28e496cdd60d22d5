import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/**
 * What must not outlive the run: programs, each the head of a process group of its own, and temporary folders. All that
 * is left of them when this process ends, however it ends, ends with it.
 */

/** What is ended when the run ends. */
export interface Mortal {
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export const alive = new Set<Mortal>();
const folders = new Set<string>();

/** Spawns a program at the head of a process group of its own. The kernel ends it with us even when we are killed. */
export function spawnTied(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const tied = existsSync('/usr/bin/setpriv');
  return spawn(
    tied ? '/usr/bin/setpriv' : command,
    tied ? ['--pdeathsig', 'KILL', command, ...args] : [...args],
    {
      ...options,
      detached: true,
    },
  );
}

/** Signals a program and all that it started. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group ended between the look and the signal.
  }
}

/** A program that runs to its own end, unless the run ends first: then it is killed, and all that it started. */
export function spawnMortal(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawnTied(command, args, options);
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
  const signal = (name: NodeJS.Signals) => signalGroup(child.pid, name);
  const mortal: Mortal = {
    signal,
    stop() {
      signal('SIGKILL');
      return ended;
    },
  };
  alive.add(mortal);
  void ended.then(() => alive.delete(mortal));
  return child;
}

const temporaryName = /^cuj-gate-e2e-(\d+)-/;

/** A new folder that is removed when the run ends; one that was killed leaves its own to the next run. */
export function temporaryFolder(): string {
  for (const name of readdirSync(os.tmpdir())) {
    const owner = temporaryName.exec(name)?.[1];
    if (owner && !existsSync(`/proc/${owner}`)) removeTemporary(path.join(os.tmpdir(), name));
  }
  const folder = mkdtempSync(path.join(os.tmpdir(), `cuj-gate-e2e-${process.pid}-`));
  folders.add(folder);
  return folder;
}

/** Has a folder of somebody else's making removed when the run ends, unless {@link removeTemporary} did it before. */
export function removeAtEnd(folder: string): void {
  folders.add(folder);
}

export function removeTemporary(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

/** Ends what still runs and removes every temporary folder; safe to call again. */
export async function stopEverything(): Promise<void> {
  await Promise.all([...alive].map((child) => child.stop()));
  for (const folder of [...folders]) removeTemporary(folder);
}

/** Installs the handlers that leave nothing behind; call once, before the first child. */
export function leaveNothingBehind(): void {
  let stopping = false;
  const end = (exitCode: number, why: string) => {
    if (stopping) process.exit(exitCode);
    stopping = true;
    console.error(`${why}: stopping what was started`);
    void stopEverything().finally(() => process.exit(exitCode));
  };
  process.on('SIGINT', () => end(130, 'interrupted'));
  process.on('SIGTERM', () => end(143, 'terminated'));
  process.on('SIGHUP', () => end(129, 'the terminal went away'));
  process.on('uncaughtException', (error) => {
    console.error(error);
    end(1, 'uncaught error');
  });
  process.on('unhandledRejection', (error) => {
    console.error(error);
    end(1, 'unhandled rejection');
  });
  process.on('exit', () => {
    for (const child of alive) child.signal('SIGKILL');
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
}
