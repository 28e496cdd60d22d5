import { createColors } from 'picocolors';
import type { Io } from '../support/io.ts';

/** Colours of the terminal, or plain text. */
export type Colors = ReturnType<typeof createColors>;

/** Colours only on a terminal that is not dumb, and only without NO_COLOR (no-color.org). */
export function colorsFor(io: Io): Colors {
  const { NO_COLOR, TERM } = io.env;
  return createColors(io.stdout.isTTY === true && (NO_COLOR ?? '') === '' && TERM !== 'dumb');
}
