import type { SecureContextOptions } from 'node:tls';
import type { Logger } from 'pino';
import type { Registry as MetricsRegistry } from 'prom-client';
import type { DescribeQueries } from '../../domain/metrics/metrics-source.ts';
import type { Authenticator } from '../../domain/ports/authenticator.ts';
import type { Tracing } from '../../domain/ports/tracing.ts';
import type { VerdictHistory } from '../../domain/ports/verdict-history.ts';
import type { Problem, Registry } from '../../domain/registry/model.ts';
import type { Evaluator } from '../../evaluation/evaluator.ts';
import type { PagePorts } from '../pages/page-ports.ts';

/** The current registry, and the result of attempts to replace it. */
export interface RegistryState {
  /** Of the environment that is asked about. Where no request is, of any: only what all of them share is taken from it. */
  readonly registry: Registry;
  /** Of the files, by name; absent or empty where they name none. */
  readonly environments?: readonly string[];
  readonly files: readonly string[];
  /** Epoch ms. */
  readonly loadedAtMs: number;
  readonly reloadErrors: number;
  /** The last reload, if it failed; the registry above is still used. */
  readonly failure: { readonly atMs: number; readonly problems: readonly Problem[] } | undefined;
}

/**
 * Lifecycle phase. `draining`: serves requests, but readiness fails, so that no new callers arrive. `closing`: finishes
 * requests, refuses new ones.
 */
export type Phase = 'serving' | 'draining' | 'closing';

/** Calls `fire` after so many ms; the returned function takes it back. */
export type Timer = (ms: number, fire: () => void) => () => void;

/** Everything that the HTTP app needs from outside. */
export interface AppPorts {
  readonly evaluator: Evaluator;
  /** The texts of the queries behind a verdict. */
  readonly describeQueries: DescribeQueries;
  /** Undefined: there is none, so the gate is not ready. */
  readonly registry: () => RegistryState | undefined;
  readonly logger: Logger;
  /** Where metrics are registered and what `/metrics` shows. */
  readonly metrics: MetricsRegistry;
  /** Epoch ms. */
  readonly now: () => number;
  readonly phase: () => Phase;
  /** For a whole question, in ms. */
  readonly deadlineMs: number;
  /** How many questions may wait at once. */
  readonly maxInflight: number;
  readonly timer?: Timer;
  /** Undefined: authentication is off. */
  readonly authenticator?: Authenticator;
  /** Whether `/metrics` requires a token too. The probes never do. */
  readonly authenticateMetrics?: boolean;
  /** Requests a minute that one caller may make; 0: any number. */
  readonly rateLimitPerMinute?: number;
  /** What the rate limit goes by, in ms. */
  readonly monotonicMs?: () => number;
  /** HTTPS instead of HTTP; with `ca`, callers need a client certificate signed by it. */
  readonly tls?: SecureContextOptions;
  /** `/metrics` and the probes are left to an app of their own. */
  readonly operationsApart?: boolean;
  /** Callers that the gate does not know may ask about the past. */
  readonly allowUnauthenticatedPast?: boolean;
  /** Told every verdict that is given. */
  readonly history?: VerdictHistory;
  /** Undefined: nothing is traced. */
  readonly tracing?: Tracing;
  /** How long a request may take to arrive, in ms, and how often that is checked. */
  readonly arrival?: { readonly timeoutMs: number; readonly checkEveryMs: number };
  /** Undefined: pages show what the evaluator knows, and nothing else. */
  readonly pages?: PagePorts;
  /** How long an answer waits for a caller that reads nothing of it, in ms. */
  readonly unreadMs?: number;
}

/** What answers questions about one environment, or about a registry that has none. */
export type EnvironmentPorts = Pick<AppPorts, 'evaluator' | 'registry' | 'history' | 'pages'>;

/** What does not depend on the environment. */
export type CommonPorts = Omit<AppPorts, 'evaluator' | 'history'>;

/** Where the registry may have environments: each request says which one answers it. */
export interface GatePorts extends CommonPorts {
  readonly environments: {
    /** Undefined: the registry has none. */
    readonly of: (name: string | undefined) => EnvironmentPorts;
    /** The only one that this gate answers for. */
    readonly only?: string;
  };
}

export const systemTimer: Timer = (ms, fire) => {
  const timer = setTimeout(fire, ms);
  return () => clearTimeout(timer);
};
