import type { Io } from '../../src/commands/io.ts';

/** Streams that remember what was written to them. */
export function capture(env: Record<string, string> = {}, isTTY = false, columns?: number) {
  const out: string[] = [];
  const err: string[] = [];
  const io: Io = {
    stdout: { write: (text) => out.push(text), isTTY, columns },
    stderr: { write: (text) => err.push(text), isTTY },
    env,
  };
  return { io, stdout: () => out.join(''), stderr: () => err.join('') };
}
