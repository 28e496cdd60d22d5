import pino, { type DestinationStream, type Logger } from 'pino';
import { Registry as MetricsRegistry } from 'prom-client';
import { createCachedSource } from './adapters/cached-source.ts';
import {
  createDatadogApi,
  type DatadogApi,
  DatadogConnection,
  type DatadogSite,
} from './adapters/datadog/connection.ts';
import { createDatadogSource } from './adapters/datadog/source.ts';
import { createSourceMetrics } from './adapters/measured-source.ts';
import { type RegistryHolder, watchRegistry } from './adapters/registry/watch.ts';
import { type LoadResult, loadRegistry } from './adapters/registry-files.ts';
import { createEvaluator, type Evaluator } from './evaluate.ts';
import { type App, buildApp } from './http/app.ts';
import type { Phase } from './http/ports.ts';
import { readSettings, type Settings, SettingsError } from './settings.ts';

/** The composition root: the only place that wires ports to adapters. */

/** Approximate memory that kept snapshots may take. */
const cacheBytes = 128 * 1024 * 1024;

export interface GateOverrides {
  /** Epoch ms; the system's clock unless told. */
  readonly now?: () => number;
  readonly logger?: Logger;
}

/** A gate that is wired and not yet listening. */
export interface Gate {
  readonly app: App;
  readonly registry: RegistryHolder;
  readonly logger: Logger;
  /** Where the process is in its life; main.ts moves it on. */
  phase: Phase;
  /** Answers what is under way, then ends connections, watches and pools. */
  close(): Promise<void>;
}

/** The registry could not be loaded: the gate refuses to start. */
export class RegistryRefused extends Error {
  override readonly name = 'RegistryRefused';
  readonly result: LoadResult & { readonly ok: false };

  constructor(result: LoadResult & { readonly ok: false }) {
    super(`the registry has ${result.problems.length + result.omitted} problem(s)`);
    this.result = result;
  }
}

/** The gate's logger: JSON lines, static messages, and no secret whatever is logged. */
export function createLogger(level: Settings['logLevel'], destination?: DestinationStream): Logger {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: [
        'authorization',
        '*.authorization',
        'apiKey',
        'appKey',
        '*.apiKey',
        '*.appKey',
        '*["DD-API-KEY"]',
        '*["DD-APPLICATION-KEY"]',
      ],
      censor: '[redacted]',
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

function connect(settings: Settings, onRateLimitRemaining?: (remaining: number) => void): DatadogConnection {
  const { apiKey, appKey, site, url } = settings.datadog;
  return new DatadogConnection({
    apiKey: apiKey ?? '',
    appKey: appKey ?? '',
    site: site as DatadogSite,
    deadlineMs: settings.deadlineMs,
    ...(url === undefined ? {} : { url }),
    ...(onRateLimitRemaining === undefined ? {} : { onRateLimitRemaining }),
  });
}

/**
 * Wires the gate. Throws RegistryRefused where the registry is bad.
 * Precondition: the settings hold a registry and both keys (requiredToServe).
 */
export async function compose(settings: Settings, overrides: GateOverrides = {}): Promise<Gate> {
  const now = overrides.now ?? Date.now;
  const logger = overrides.logger ?? createLogger(settings.logLevel);
  const path = settings.registry as string;
  const initial = await loadRegistry(path);
  if (!initial.ok) throw new RegistryRefused(initial);

  const metrics = new MetricsRegistry();
  const ended = new AbortController();
  let reloadErrors = 0;
  const registry = watchRegistry({
    path,
    initial,
    now,
    signal: ended.signal,
    onGood: (loaded) =>
      logger.info({ digest: loaded.registry.digest, cujs: loaded.registry.cujs.size }, 'registry loaded'),
    onBad: (failed) => {
      reloadErrors += 1;
      logger.error(
        { problems: failed.problems.slice(0, 20), omitted: failed.omitted },
        'registry refused, the old one goes on',
      );
    },
  });
  const sourceMetrics = createSourceMetrics(metrics);
  const connection = connect(settings, sourceMetrics.rateLimitRemaining);
  const source = createCachedSource(sourceMetrics.measured(await createDatadogSource(connection)), {
    ttlMs: settings.cacheTtlMs,
    maxEntries: settings.cacheSize,
    maxBytes: cacheBytes,
    observer: sourceMetrics.cacheObserver,
  });
  const gate: { phase: Phase } = { phase: 'serving' };
  const app = await buildApp({
    evaluator: createEvaluator({ registry: () => registry.current().registry, source, now }),
    registry: () => {
      const current = registry.current();
      const failure = registry.lastFailure();
      return {
        registry: current.registry,
        files: current.files,
        loadedAtMs: current.loadedAt,
        reloadErrors,
        failure: failure === undefined ? undefined : { atMs: failure.at, problems: failure.problems },
      };
    },
    logger,
    metrics,
    now,
    phase: () => gate.phase,
    deadlineMs: settings.deadlineMs,
    maxInflight: settings.maxInflight,
  });
  return Object.assign(gate, {
    app,
    registry,
    logger,
    async close() {
      await app.close();
      ended.abort();
      await connection.close();
    },
  });
}

/** What commands that ask Datadog once share: a registry, and the API. */
export interface Opened {
  readonly settings: Settings;
  readonly registry: LoadResult & { readonly ok: true };
  readonly evaluator: Evaluator;
  readonly api: DatadogApi;
  readonly deadlineMs: number;
  close(): Promise<void>;
}

/**
 * Opens registry and Datadog for one command, or says in lines for people why it cannot.
 * `registryPath` goes before CUJ_GATE_REGISTRY.
 */
export async function openEvaluator(
  env: Readonly<Record<string, string | undefined>>,
  registryPath: string | undefined,
): Promise<Opened | { readonly problem: string }> {
  let settings: Settings;
  try {
    const given = registryPath === undefined ? env : { ...env, CUJ_GATE_REGISTRY: registryPath };
    settings = readSettings(given, { required: ['CUJ_GATE_REGISTRY', 'DD_API_KEY', 'DD_APP_KEY'] });
  } catch (error) {
    if (error instanceof SettingsError) return { problem: error.message };
    throw error;
  }
  const registry = await loadRegistry(settings.registry as string);
  if (!registry.ok) {
    const shown = registry.problems
      .slice(0, 10)
      .map((problem) => `${problem.file}:${problem.line}:${problem.column}: ${problem.message}`);
    return {
      problem: `the registry has problems; cuj-gate validate ${settings.registry} shows all of them:\n${shown.join('\n')}`,
    };
  }
  const connection = connect(settings);
  return {
    settings,
    registry,
    evaluator: createEvaluator({
      registry: () => registry.registry,
      source: await createDatadogSource(connection),
      now: Date.now,
    }),
    api: createDatadogApi(connection),
    deadlineMs: settings.deadlineMs,
    close: () => connection.close(),
  };
}
