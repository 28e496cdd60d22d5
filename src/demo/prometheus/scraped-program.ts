import { startExporter } from './exporter.ts';
import { type ProgramOptions, type RunningProgram, startProgram, storePast } from './program.ts';
import { ScrapedPods } from './scraped-pods.ts';
import { pastScrapes } from './scrapes.ts';

/** Counters rise by what is simulated, so the near future is. */
const aheadMs = 60_000;
const advanceEveryMs = 10_000;

export interface ScrapedProgramOptions extends Omit<ProgramOptions, 'targetsUrl' | 'port' | 'folder'> {
  readonly pods: ScrapedPods;
  /** Simulates what the pods serve until a time, epoch ms. */
  readonly advanceTo: (untilMs: number) => void;
  /** The past that is stored begins here, epoch ms. */
  readonly pastFromMs: number;
  readonly now: () => number;
}

/** A program that scrapes simulated pods. */
export interface ScrapedProgram {
  readonly running: RunningProgram;
  /** The past that was stored ends here, epoch ms. */
  readonly storedUntilMs: number;
  stop(): Promise<void>;
}

/** Starts the program with the past of the pods as scrapes would have found it, and the pods for it to scrape from then on. */
export async function startScrapedProgram({
  pods,
  advanceTo,
  pastFromMs,
  now,
  ...options
}: ScrapedProgramOptions): Promise<ScrapedProgram> {
  advanceTo(now() + aheadMs);
  // Found once the past is stored: a pod's samples come in their order.
  let found = new ScrapedPods();
  const exporter = await startExporter(() => found, now);
  let running: RunningProgram | undefined;
  try {
    running = await startProgram({ ...options, targetsUrl: exporter.targetsUrl });
    const storedUntilMs = now();
    const past = { fromMs: pastFromMs, untilMs: storedUntilMs, intervalMs: options.scrapeIntervalMs };
    await storePast(running, pastScrapes(pods, past));
    found = pods;
    const timer = setInterval(() => advanceTo(now() + aheadMs), advanceEveryMs);
    const { stop } = running;
    return {
      running,
      storedUntilMs,
      async stop() {
        clearInterval(timer);
        await stop();
        await exporter.stop();
      },
    };
  } catch (error) {
    await running?.stop();
    await exporter.stop();
    throw error;
  }
}
