/** Where a command reads and writes: the process, or a test's own. */
export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  /** Width of a terminal in characters; undefined where it is none. */
  readonly columns?: number | undefined;
}

export interface Io {
  /** Answers. */
  readonly stdout: Stream;
  /** Notes, progress, complaints, logs. */
  readonly stderr: Stream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Exit codes of every command. */
export const exitCodes = {
  good: 0,
  /** The answer is no: a failing verdict, drift, problems found. */
  no: 1,
  /** The command was not understood or could not be carried out. */
  misuse: 2,
} as const;
