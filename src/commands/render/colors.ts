import { createColors } from 'picocolors';
import type { Io } from '../support/io.ts';

/** Colours of the terminal, or plain text. */
export type Colors = ReturnType<typeof createColors>;

/** Colours only on a terminal, and not where NO_COLOR is set to anything (no-color.org) or the terminal is dumb. */
export function colorsFor(io: Io): Colors {
  const { NO_COLOR, TERM } = io.env;
  return createColors(io.stdout.isTTY === true && (NO_COLOR ?? '') === '' && TERM !== 'dumb');
}
