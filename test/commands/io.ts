import type { Io } from '../../src/commands/support/io.ts';

/** The default time of commands in tests: an afternoon in Tokyo, with traffic, not on a whole minute. */
export const someTime = Date.UTC(2026, 5, 10, 6, 41, 17);

interface Surroundings {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly isTTY?: boolean;
  /** Width of the terminal in characters. */
  readonly columns?: number;
  /** Epoch ms; default: `someTime`. */
  readonly now?: () => number;
  readonly sleep?: (ms: number) => Promise<void>;
}

/** The environment of a command, with a fixed time and with streams that keep what was written to them. */
export function capture(surroundings: Surroundings = {}) {
  const { env = {}, isTTY = false, columns, now = () => someTime, sleep } = surroundings;
  const out: string[] = [];
  const err: string[] = [];
  const io: Io = {
    stdout: { write: (text) => out.push(text), isTTY, columns },
    stderr: { write: (text) => err.push(text), isTTY },
    env,
    now,
    ...(sleep === undefined ? {} : { sleep }),
  };
  return { io, stdout: () => out.join(''), stderr: () => err.join('') };
}
