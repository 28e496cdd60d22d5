/** An output stream of the process or of a test. */
export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  /** Width of the terminal in characters; undefined without a terminal. */
  readonly columns?: number | undefined;
}

/** The environment of a command. */
export interface Io {
  /** Results. */
  readonly stdout: Stream;
  /** Notes, progress, errors, logs. */
  readonly stderr: Stream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The current time in epoch milliseconds. */
  readonly now: () => number;
  /** Waits for so many ms; the system's timer by default. */
  readonly sleep?: (ms: number) => Promise<void>;
}

/** Exit codes of every command. */
export const exitCodes = {
  good: 0,
  /** A negative result: a failing verdict, drift, problems found. */
  no: 1,
  /** A usage error, or the command could not run. */
  misuse: 2,
} as const;
