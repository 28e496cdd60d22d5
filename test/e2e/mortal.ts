import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/**
 * Programs and temporary folders that must not outlive the run. Each program leads its own process group. All of them end
 * with this process, however it ends.
 */

/** A program that is ended with the run. */
export interface Mortal {
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export const alive = new Set<Mortal>();
const folders = new Set<string>();

/** Spawns a program in its own process group. The kernel ends it with this process, even if this process is killed. */
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

/** Signals a program and all processes that it started. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group ended between the check and the signal.
  }
}

/** A program that ends by itself. If the run ends first, it is killed with all processes that it started. */
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

/** A new folder that is removed when the run ends. The next run removes the folders of a killed run. */
export function temporaryFolder(): string {
  for (const name of readdirSync(os.tmpdir())) {
    const owner = temporaryName.exec(name)?.[1];
    if (owner && !existsSync(`/proc/${owner}`)) removeTemporary(path.join(os.tmpdir(), name));
  }
  const folder = mkdtempSync(path.join(os.tmpdir(), `cuj-gate-e2e-${process.pid}-`));
  folders.add(folder);
  return folder;
}

/** Removes another program's folder when the run ends, unless {@link removeTemporary} did it before. */
export function removeAtEnd(folder: string): void {
  folders.add(folder);
}

export function removeTemporary(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

/** Ends all running programs and removes every temporary folder; safe to call again. */
export async function stopEverything(): Promise<void> {
  await Promise.all([...alive].map((child) => child.stop()));
  for (const folder of [...folders]) removeTemporary(folder);
}

/** Installs the handlers that end programs and remove folders; call it once, before the first child. */
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
