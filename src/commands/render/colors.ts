import { createColors } from 'picocolors';
import type { Io } from '../support/io.ts';

/** Colours of the terminal, or plain text. */
export type Paint = ReturnType<typeof createColors>;

/** Colours only on a terminal, and not where NO_COLOR is set to anything (no-color.org) or the terminal is dumb. */
export function paintFor(io: Io): Paint {
  const { NO_COLOR, TERM } = io.env;
  return createColors(io.stdout.isTTY === true && (NO_COLOR ?? '') === '' && TERM !== 'dumb');
}
