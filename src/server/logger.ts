import pino, { type DestinationStream, type Logger } from 'pino';
import { visibleLines } from '../domain/outside-text.ts';
import { redactor } from '../domain/redact.ts';
import type { Settings } from '../settings/settings.ts';

/** The log of the server's process: JSON lines on stdout. */

/** The secrets that the settings hold. */
export function secretsOf({ datadog, redisUrl, otlpSecrets }: Settings): (string | undefined)[] {
  const password = redisUrl === undefined ? '' : new URL(redisUrl).password;
  return [datadog.apiKey, datadog.appKey, redisUrl, password, decodeURIComponent(password), ...otlpSecrets];
}

/**
 * The gate's logger: JSON lines on stdout, static messages, data in fields. A line that holds one of the secrets,
 * wherever it came from, goes out without it, and what a terminal would obey or not show is escaped. Lines are written in blocks, at the latest after `flushMs`; whoever ends
 * the process waits for `written` before.
 */
export function createLogger(
  level: Settings['logLevel'],
  secrets: readonly (string | undefined)[] = [],
  destination: DestinationStream = blocksToStdout(),
): Logger {
  const redact = redactor(secrets);
  return pino(
    {
      level,
      base: null,
      timestamp: isoTime(),
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['authorization', 'headers.authorization', 'apiKey', 'appKey'], censor: '[redacted]' },
      hooks: {
        // JSON has escaped what is below a space; what else cannot be seen is the same text when it is escaped.
        streamWrite: (line) => visibleLines(redact(line)),
      },
    },
    destination,
  );
}

const flushMs = 250;
/** Handing a block over to the thread that writes it costs as much as two answers do, however long it is. */
const blockBytes = 64 * 1024;
/** What waits for a reader that takes nothing; what comes beyond it is lost rather than kept for ever. */
const heldBytes = 16 * 1024 * 1024;
/** A reader that takes nothing for so long must not keep the process. */
const lastFlushMs = 1_000;

/** Resolves when all lines are written, or cannot be. */
export function written(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, lastFlushMs);
    logger.flush(() => {
      clearTimeout(late);
      resolve();
    });
  });
}

/** Lines are handed over as bytes: of texts sonic-boom would measure all that it holds anew for each one that comes. */
function blocksToStdout(): DestinationStream & { flush(done: () => void): void } {
  const blocks = pino.destination({
    dest: 1,
    sync: false,
    minLength: blockBytes,
    maxWrite: 4 * blockBytes,
    maxLength: heldBytes,
    periodicFlush: flushMs,
    contentMode: 'buffer',
  });
  // Nobody is left to read, or the disk is full: the gate goes on without a log, and tries again with the next block.
  let failed = false;
  let held = 0;
  blocks.on('error', () => {
    failed = true;
  });
  blocks.on('write', (bytes: number) => {
    failed = false;
    held -= bytes;
  });
  blocks.on('drop', (line: Buffer) => {
    held -= line.length;
  });
  // pino calls it as the process exits, and where nobody reads it never returns. Whoever exits waits for `written`.
  blocks.flushSync = () => {};
  const flush = (done: () => void): void => {
    if (held <= 0 || failed) done();
    // What is under way may be an older block, and the end of one block is not the end of all.
    else blocks.flush(() => flush(done));
  };
  return {
    write: (line) => {
      const bytes = Buffer.from(line);
      held += bytes.length;
      // The type knows texts only, and not what contentMode makes of it.
      blocks.write(bytes as unknown as string);
    },
    flush,
  };
}

/** As pino's own, but lines of the same millisecond share the text. */
function isoTime(): () => string {
  let atMs = Number.NaN;
  let text = '';
  return () => {
    const nowMs = Date.now();
    if (nowMs !== atMs) {
      atMs = nowMs;
      text = `,"time":"${new Date(nowMs).toISOString()}"`;
    }
    return text;
  };
}
