import pino, { type DestinationStream, type Logger } from 'pino';
import { visibleLines } from '../domain/outside-text.ts';
import { redactor } from '../domain/redact.ts';
import type { Settings } from '../settings/settings.ts';

/** The log of the server's process: JSON lines on stdout. */

/** The secrets in the settings. */
export function secretsOf({ secrets, redisUrl, otlpSecrets }: Settings): (string | undefined)[] {
  const password = redisUrl === undefined ? '' : new URL(redisUrl).password;
  return [...secrets, password, decodeURIComponent(password), ...otlpSecrets];
}

/**
 * The gate's logger: JSON lines on stdout, static messages, data in fields. Secrets are removed from every line, and
 * invisible characters are escaped. Lines are written in blocks, at the latest after `flushMs`; wait for `written`
 * before ending the process.
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
        // JSON escapes control characters below a space. Other invisible characters are escaped here.
        streamWrite: (line) => visibleLines(redact(line)),
      },
    },
    destination,
  );
}

const flushMs = 250;
/** The size of a block. Each write costs as much as two responses, whatever the size. */
const blockBytes = 64 * 1024;
/** The most that is buffered for a reader that does not read. Further lines are dropped. */
const heldBytes = 16 * 1024 * 1024;
/** How long the exit waits for a reader that does not read. */
const lastFlushMs = 1_000;

/**
 * Resolves when all lines are written, or writing failed, or after `lastFlushMs`. Then it resolves to false: the retries
 * keep the process alive until `process.exit`.
 */
export function written(logger: Logger): Promise<boolean> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(false), lastFlushMs);
    logger.flush(() => {
      clearTimeout(late);
      resolve(true);
    });
  });
}

/**
 * Lines are held as text and passed on as one buffer a block: a buffer for each line would cost more than the rest of it,
 * and with strings, sonic-boom measures all that it has for each.
 */
function blocksToStdout(): DestinationStream & { flush(done: () => void): void } {
  const blocks = pino.destination({
    dest: 1,
    sync: false,
    minLength: blockBytes,
    maxWrite: 4 * blockBytes,
    maxLength: heldBytes,
    contentMode: 'buffer',
  });
  // The reader is gone or the disk is full: the gate continues without a log, and retries with the next block.
  let failed = false;
  let lines = '';
  let buffered = 0;
  blocks.on('error', () => {
    failed = true;
  });
  blocks.on('write', (bytes: number) => {
    failed = false;
    buffered -= bytes;
  });
  blocks.on('drop', (block: Buffer) => {
    buffered -= block.length;
  });
  // pino calls this at exit, and it never returns if the reader does not read. Callers wait for `written` instead.
  blocks.flushSync = () => {};
  const passOn = (): void => {
    if (lines === '') return;
    const bytes = Buffer.from(lines);
    lines = '';
    buffered += bytes.length;
    // The type allows strings only, regardless of contentMode.
    blocks.write(bytes as unknown as string);
  };
  const flush = (done: () => void): void => {
    passOn();
    if (buffered <= 0 || failed) done();
    // The pending write may be an older block: more blocks may follow.
    else blocks.flush(() => flush(done));
  };
  const timer = setInterval(() => {
    passOn();
    blocks.flush();
  }, flushMs);
  timer.unref();
  return {
    write: (line) => {
      lines += line;
      if (lines.length >= blockBytes) passOn();
    },
    flush,
  };
}

/** Like pino's own, but lines of the same millisecond share the text. */
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
