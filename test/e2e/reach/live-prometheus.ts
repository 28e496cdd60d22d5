import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { startExporter } from '../../../src/demo/prometheus/exporter.ts';
import { type PrometheusProgram, prepareProgram, storePast } from '../../../src/demo/prometheus/program.ts';
import { ScrapedPods } from '../../../src/demo/prometheus/scraped-pods.ts';
import { pastScrapes } from '../../../src/demo/prometheus/scrapes.ts';
import { recentStepMs } from '../../../src/domain/metrics/metrics-source.ts';
import { freePort } from '../../free-ports.ts';
import type { ScenarioContext } from '../scenario.ts';
import { answers } from '../wait.ts';
import type { LiveBackend } from './live-app.ts';

const scrapeIntervalMs = 15_000;
const historyMs = 2 * 3_600_000;

/** A real Prometheus that scrapes the pods of a live app. */
export async function startLivePrometheus(
  context: ScenarioContext,
  program: PrometheusProgram,
): Promise<LiveBackend> {
  const pods = new ScrapedPods();
  // Found once their past is stored: a pod's samples come in their order.
  let found = new ScrapedPods();
  const exporter = await startExporter(() => found, Date.now);
  context.onEnd(() => exporter.stop());
  const folder = path.join(context.dir, program);
  mkdirSync(folder);
  const { command, args, url, readyUrl } = prepareProgram({
    ...{ program, folder, scrapeIntervalMs, port: await freePort() },
    targetsUrl: exporter.targetsUrl,
  });
  const child = context.start({ name: program, command, args });
  await child.untilReady(() => answers(readyUrl));
  return {
    sink: pods,
    gateEnv: { CUJ_GATE_BACKEND: 'prometheus', CUJ_GATE_PROMETHEUS_URL: url },
    // A counter rises while its bucket lasts, so a bucket is drawn before it begins. A weight counts from the next one on.
    aheadMs: recentStepMs + 1_000,
    async storePast() {
      const untilMs = Date.now();
      await storePast(
        { program, url },
        pastScrapes(pods, { fromMs: untilMs - historyMs, untilMs, intervalMs: scrapeIntervalMs }),
      );
      found = pods;
    },
  };
}
