import type { Server as HttpsServer } from 'node:https';
import type { Logger } from 'pino';
import { Registry as MetricsRegistry } from 'prom-client';
import type { MetricsSource } from '../domain/metrics/metrics-source.ts';
import type { ReadVersions } from '../domain/ports/release-history.ts';
import { redactor } from '../domain/redact.ts';
import { anyRegistryOf, environmentsIn, type Registry } from '../domain/registry/model.ts';
import { registerErrorBudgetMetric } from '../error-budget/metric.ts';
import { createErrorBudgets } from '../error-budget/refresher.ts';
import { createEvaluator, type Evaluator } from '../evaluation/evaluator.ts';
import type { App } from '../http/server/app.ts';
import type { Phase, RegistryState } from '../http/server/ports.ts';
import { loadInBackground } from '../registry-files/background.ts';
import {
  type LoadedEnvironment,
  type LoadResult,
  loadRegistries,
  loadRegistry,
} from '../registry-files/load.ts';
import { type LoadedRegistry, type RegistryHolder, watchRegistry } from '../registry-files/watch.ts';
import { readSettings, requiredToServe, type Settings, SettingsError } from '../settings/settings.ts';
import type { ReadBudgetsOf } from './budgets-of-wholes.ts';
import { openAccess } from './compose-auth.ts';
import { openBackends } from './compose-backends.ts';
import { openEnvironments } from './compose-environments.ts';
import { openEvents } from './compose-events.ts';
import { openHistory } from './compose-history.ts';
import { openSource } from './compose-metrics-source.ts';
import { openTraces } from './compose-tracing.ts';
import { createLogger, secretsOf } from './logger.ts';
import { withUsableBackends } from './usable-backends.ts';
import { versionsBy } from './versions-of-services.ts';

/** The composition root: the only place that connects ports to their implementations. */

/** What the log says of a registry. */
function registryFields({ registries }: LoadedRegistry): object {
  const environments = environmentsIn(registries);
  return {
    digest: registries.digest,
    cujs: anyRegistryOf(registries).cujs.size,
    ...(environments.length === 0 ? {} : { environments }),
  };
}

/** How often error budgets that can change a rule are read. They cover weeks and change slowly. */
const errorBudgetIntervalMs = 5 * 60_000;

/** Of backends without error budgets: none is ever read, and all are unknown. */
const noBudgets: ReadBudgetsOf = () => async () => [];

export interface GateOverrides {
  /** Epoch ms; default: the system clock. */
  readonly now?: () => number;
  readonly logger?: Logger;
  /** Replaces those of all backends. Cache and metrics still wrap it. */
  readonly source?: MetricsSource;
  /** How often the files of tokens and certificates are polled, in ms. */
  readonly credentialsEveryMs?: number;
}

/** A gate that is wired but does not listen yet. */
export interface Gate {
  readonly app: App;
  /** Probes and metrics, where they have their own port. */
  readonly admin: App | undefined;
  readonly registry: RegistryHolder;
  readonly logger: Logger;
  /** The phase of the process; lifecycle.ts sets it. */
  phase: Phase;
  /** Stops accepting connections. Requests on open connections are still answered. */
  stopListening(): Promise<void>;
  /** Completes pending requests, then closes connections, watchers and pools. */
  close(): Promise<void>;
}

/** The registry is invalid: the gate does not start. */
export class RegistryRefused extends Error {
  override readonly name = 'RegistryRefused';
  readonly result: LoadResult & { readonly ok: false };

  constructor(result: LoadResult & { readonly ok: false }) {
    super(`the registry has ${result.problems.length + result.omitted} problem(s)`);
    this.result = result;
  }
}

/**
 * Wires the gate. Throws RegistryRefused or CredentialsRefused where the registry or the credentials are invalid.
 * Precondition: the settings have all that `requiredToServe` names.
 */
export async function compose(settings: Settings, overrides: GateOverrides = {}): Promise<Gate> {
  const now = overrides.now ?? Date.now;
  const logger = overrides.logger ?? createLogger(settings.logLevel, secretsOf(settings));
  const path = settings.registry as string;
  const { backend, environment } = settings;
  const initial = withUsableBackends(path, await loadRegistries(path, { backend, environment }), settings);
  if (!initial.ok) throw new RegistryRefused(initial);

  const metrics = new MetricsRegistry();
  const ended = new AbortController();
  /** Aborted later than `ended`: callers are authenticated until the last request is answered. */
  const closed = new AbortController();
  const { deadlineMs } = settings;
  const access = await openAccess(settings.access, {
    logger,
    metrics,
    now,
    deadlineMs,
    signal: closed.signal,
    ...(overrides.credentialsEveryMs === undefined ? {} : { everyMs: overrides.credentialsEveryMs }),
  });
  let reloadErrors = 0;
  const registry = watchRegistry({
    path,
    initial,
    backend,
    environment,
    load: async (from, signal) =>
      withUsableBackends(from, await loadInBackground(from, { backend, environment, signal }), settings),
    now,
    signal: ended.signal,
    onGood: (loaded) => {
      environments.reloaded();
      logger.info(registryFields(loaded), 'registry loaded');
    },
    onBad: (failed) => {
      reloadErrors += 1;
      logger.error(
        { problems: failed.problems.slice(0, 20), omitted: failed.omitted },
        'registry reload failed; keeping previous version',
      );
    },
  });
  const traces =
    settings.tracesUrl === undefined
      ? undefined
      : await openTraces(settings.tracesUrl, logger, redactor(secretsOf(settings)));
  if (traces !== undefined && settings.otlpProtocol === 'grpc') {
    logger.warn({ url: settings.tracesUrl }, 'OTLP over gRPC is not supported; exporting traces over HTTP');
  }
  const source = await openSource(settings, {
    logger,
    metrics,
    now,
    traces,
    source: overrides.source,
    apiTtlMs: errorBudgetIntervalMs,
  });
  const events =
    settings.events === undefined
      ? undefined
      : await openEvents(settings.events, {
          redisUrl: settings.redisUrl,
          logger,
          metrics,
          now,
          ...source.sharing,
          registry: (of) => registry.current().registries.byEnvironment.get(of),
        });
  const history = await openHistory(settings, {
    logger,
    metrics,
    now,
    ...source.sharing,
    observer: events?.observer,
  });
  events?.start(history);
  const gate: { phase: Phase } = { phase: 'serving' };
  // Read with every request, and unchanged for hours.
  const states = new WeakMap<Registry, RegistryState>();
  const stateOf = (of: Registry): RegistryState => {
    const current = registry.current();
    const failed = registry.lastFailure();
    let state = states.get(of);
    if (state === undefined || state.failure?.atMs !== failed?.at) {
      state = {
        registry: of,
        environments: environmentsIn(current.registries),
        files: current.files,
        loadedAtMs: current.loadedAt,
        reloadErrors,
        failure: failed === undefined ? undefined : { atMs: failed.at, problems: failed.problems },
      };
      states.set(of, state);
    }
    return state;
  };
  const environments = openEnvironments({
    settings,
    registry,
    stateOf,
    source,
    metricsSource: source.source,
    history,
    budgets: { read: source.readBudgets ?? noBudgets, now, intervalMs: errorBudgetIntervalMs, logger },
    // The caller's source replaces the backend completely.
    readsBudgets: overrides.source === undefined && source.readBudgets !== undefined,
    traced: (evaluator) => traces?.evaluator(evaluator) ?? evaluator,
    ...(traces === undefined ? {} : { judge: traces.judge }),
  });
  registerErrorBudgetMetric(metrics, { remaining: environments.remainingBudgets });
  // Loaded on demand: commands that query Datadog once need no server.
  const { buildApps } = await import('../http/server/app.ts');
  const { app, admin } = await buildApps({
    registry: () => stateOf(anyRegistryOf(registry.current().registries)),
    environments: {
      of: environments.of,
      ...(environment === undefined ? {} : { only: environment }),
    },
    pages: { basePath: settings.basePath, links: () => [] },
    describeQueries: source.describeQueries,
    ...(traces === undefined ? {} : { tracing: traces.tracing }),
    allowUnauthenticatedPast: settings.allowUnauthenticatedPast,
    logger,
    metrics,
    now,
    phase: () => gate.phase,
    deadlineMs,
    maxInflight: settings.maxInflight,
    ...access.ports,
  });
  if (settings.access.tls !== undefined) access.renewTlsOf(app.server as unknown as HttpsServer);
  return Object.assign(gate, {
    app,
    admin,
    registry,
    logger,
    async stopListening() {
      await Promise.all([app.stopListening(), admin?.stopListening()]);
    },
    async close() {
      // Background queries stop first: the pool waits for every pending request.
      ended.abort();
      environments.stop();
      await closeServer(app);
      if (admin !== undefined) await closeServer(admin);
      closed.abort();
      await events?.close();
      await history.close();
      await source.close();
      await traces?.close();
    },
  });
}

/** Interval in ms, and number of checks without a pending request, before remaining connections are closed. */
const reapEveryMs = 100;

/**
 * Closes the server once pending requests are answered. Node would wait without limit for connections that have sent
 * nothing or half a request: they are closed when no other request is pending.
 */
async function closeServer(app: App): Promise<void> {
  let quiet = 0;
  const reaper = setInterval(() => {
    // Includes requests that are still being authenticated, and responses that the client has not read yet.
    quiet = app.busyConnections() === 0 ? quiet + 1 : 0;
    if (quiet >= 2) app.server.closeAllConnections();
  }, reapEveryMs);
  try {
    await app.close();
  } finally {
    clearInterval(reaper);
  }
}

/** The registry and the evaluator of a command that queries the backend once. */
export interface Opened {
  readonly settings: Settings;
  readonly registry: LoadedEnvironment & { readonly ok: true };
  readonly evaluator: Evaluator;
  readonly readVersions: ReadVersions;
  readonly deadlineMs: number;
  close(): Promise<void>;
}

/**
 * Opens registry and backend for one command, or returns why that failed, as text for the user.
 * `registryPath` overrides CUJ_GATE_REGISTRY, and `environment` CUJ_GATE_ENVIRONMENT.
 */
export async function openEvaluator(
  env: Readonly<Record<string, string | undefined>>,
  registryPath: string | undefined,
  now: () => number,
  environment?: string,
): Promise<Opened | { readonly problem: string }> {
  let settings: Settings;
  try {
    const given = registryPath === undefined ? env : { ...env, CUJ_GATE_REGISTRY: registryPath };
    settings = readSettings(given, { required: requiredToServe });
  } catch (error) {
    if (error instanceof SettingsError) return { problem: error.message };
    throw error;
  }
  const path = settings.registry as string;
  const loaded = await loadRegistry(path, {
    backend: settings.backend,
    environment: environment ?? settings.environment,
  });
  const usable = withUsableBackends(path, loaded, settings);
  const registry: LoadedEnvironment = usable.ok ? loaded : usable;
  if (!registry.ok) {
    const shown = registry.problems
      .slice(0, 10)
      .map((problem) => `${problem.file}:${problem.line}:${problem.column}: ${problem.message}`);
    if (loaded.ok) return { problem: shown.join('\n') };
    return {
      problem: `the registry is invalid; run cuj-gate validate ${settings.registry} to see all problems:\n${shown.join('\n')}`,
    };
  }
  const backends = await openBackends(settings, { epochNow: now });
  const errorBudgets = createErrorBudgets({
    read: (backends.readBudgets ?? noBudgets)(() => registry.registry),
    registry: () => registry.registry,
    now,
    intervalMs: errorBudgetIntervalMs,
    // An unknown budget is reported in the verdict.
    logger: { warn: () => {}, error: () => {} },
  });
  await errorBudgets.refresh();
  return {
    settings,
    registry,
    evaluator: createEvaluator({
      registry: () => registry.registry,
      source: backends.source,
      now,
      budget: errorBudgets.opinion,
    }),
    readVersions: versionsBy(backends.tagHits, () => registry.registry),
    deadlineMs: settings.deadlineMs,
    close: backends.close,
  };
}
