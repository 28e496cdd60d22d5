import type { Draw } from './draw.ts';
import type { Evidence } from './evidence.ts';
import type { RegistryDialect } from './registries.ts';

/** One received call of a gate. */
export interface BackendCall {
  readonly at: number;
  readonly path: string;
  /** Null if no response was sent. */
  readonly status: number | null;
}

/** Something that happens to a backend again and again in a run. */
export interface Trouble {
  /** The mean time between two times, in ms. */
  readonly pauseMs: number;
  readonly draw: Draw;
  /** `elapsedMs`: since the run began. */
  readonly act: (elapsedMs: number) => unknown;
}

/** What the gates of a run measure with: what goes wrong with it, and what is known of the truth. */
export interface ChaosBackend {
  readonly title: string;
  readonly dialect: RegistryDialect;
  readonly evidence: Evidence;
  /** The settings of a gate. `life` identifies its start in the calls. */
  gateEnv(life: string): Readonly<Record<string, string>>;
  readonly troubles: readonly Trouble[];
  /** Called before the run begins, so that nothing is wrong before. */
  settle(): Promise<void>;
  /** All calls so far, in order. */
  readonly calls: readonly BackendCall[];
  lifeOf(call: BackendCall): string;
  /** Whether the answer to this call was late, or was changed in its status or cut off. */
  isMuddled(call: BackendCall): boolean;
  /** The faults of single calls, and how many calls each applied to. */
  readonly faultKinds: readonly string[];
  readonly struck: ReadonlyMap<string, number>;
  /** Whether its answers had a correct `Date`, for all that an answer of a gate at this time may be based on. Epoch ms. */
  isDated(startedMs: number, endedMs: number): boolean;
  /** Whether it could be asked all the time, for all that such an answer may be based on. */
  isUp(startedMs: number, endedMs: number): boolean;
  /** The next calls are answered late, until the returned function is called. */
  slowDown(): () => void;
  /** Ends all faults. */
  calmDown(): void;
  /** Lines of text about what happened. */
  report(): string[];
  stop(): Promise<void>;
}

export interface BackendOptions {
  /** Epoch ms. */
  readonly startMs: number;
  /** Of the run. */
  readonly seconds: number;
  /** A new source of random numbers for each part. */
  readonly drawOfPart: () => Draw;
}
