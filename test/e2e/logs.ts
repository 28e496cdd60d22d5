import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { cacheDir } from './programs.ts';

/** Each run has its own folder: two may run at once. */
const allLogs = path.join(cacheDir, 'logs');
/** The logs of this run, where something failed. */
export const logs = path.join(allLogs, String(process.pid));

/** The logs of a failed run are kept: the temporary folder is removed. */
export function keepLogs(dir: string, version: string): void {
  const from = path.join(dir, 'logs');
  if (existsSync(from)) cpSync(from, path.join(logs, version), { recursive: true });
}

/** Logs of earlier runs, not of a run that has not ended. */
export function removeOldLogs(): void {
  if (!existsSync(allLogs)) return;
  for (const owner of readdirSync(allLogs)) {
    if (owner === String(process.pid) || !existsSync(path.join('/proc', owner)))
      rmSync(path.join(allLogs, owner), { recursive: true, force: true });
  }
}
