import { startOwnPods } from '../../demo/prometheus/own-pods.ts';
import { isInstalled, type PrometheusProgram } from '../../demo/prometheus/program.ts';
import { startDemoGate } from './demo-gate.ts';
import { notInstalled, sourceOf, withProgram } from './demo-prometheus.ts';
import { loadOwn, type OwnRegistryOptions, planned, show } from './demo-registry.ts';
import { simulatedSources } from './demo-sources.ts';
import { exitCodes, type Io } from './io.ts';

/**
 * `cuj-gate demo --prometheus --registry`: verdicts on the user's own CUJs in real time. A real Prometheus has scraped pods that export the
 * counters of the registry's sources.
 */
export async function demoOwnPrometheus(
  io: Io,
  options: OwnRegistryOptions & { readonly prometheus: PrometheusProgram },
): Promise<number> {
  const { prometheus: program } = options;
  if (!isInstalled(program)) {
    io.stderr.write(notInstalled(program));
    return exitCodes.misuse;
  }
  const loaded = await loadOwn(io, options, 'prometheus');
  if (loaded === undefined) return exitCodes.misuse;
  const gateOptions = {
    registry: options.registry,
    environment: options.environment,
    port: options.once === true ? 0 : options.port,
    now: io.now,
  };
  if (!loaded.ok) {
    // It says what is wrong.
    const opened = await startDemoGate(io, {
      ...gateOptions,
      source: sourceOf({ url: 'http://127.0.0.1:9' }),
    });
    await opened?.close();
    return exitCodes.misuse;
  }
  const sources = simulatedSources(loaded.registry);
  const simulation = planned(io, options.break, loaded, ({ name }) => !sources.notSimulated.has(name));
  if (simulation === undefined) return exitCodes.misuse;
  return await withProgram(io, {
    start: () =>
      startOwnPods({ ...simulation, program, exports: sources.exports, seed: options.seed, now: io.now }),
    gate: gateOptions,
    tell: (pods, { url }, interruption) =>
      show(io, options, simulation, url, {
        name: `the same ${program}`,
        exports: `export CUJ_GATE_BACKEND=prometheus CUJ_GATE_PROMETHEUS_URL=${pods.running.url}`,
        measured: 'no source of it can be',
        notSimulated: (source, name) => `source "${source}" cannot be: ${sources.notSimulated.get(name)}`,
        untilInterrupted: async () => {
          while (!interruption.isThere()) await interruption.within(60_000);
        },
        notes: [...sources.withoutDurations].map(
          ([name, why]) => `Not simulated: durations of ${name}: ${why}. Its latency has no data here.`,
        ),
      }),
  });
}
