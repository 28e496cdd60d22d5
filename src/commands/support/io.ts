/** A place to write to: the process's, or a test's own. */
export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  /** Width of a terminal in characters; undefined where it is none. */
  readonly columns?: number | undefined;
}

/** What a command sees of the world around it. */
export interface Io {
  /** Answers. */
  readonly stdout: Stream;
  /** Notes, progress, complaints, logs. */
  readonly stderr: Stream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What time it is, epoch milliseconds. */
  readonly now: () => number;
}

/** Exit codes of every command. */
export const exitCodes = {
  good: 0,
  /** The answer is no: a failing verdict, drift, problems found. */
  no: 1,
  /** The command was not understood or could not be carried out. */
  misuse: 2,
} as const;
