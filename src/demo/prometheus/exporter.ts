import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PodSeries, ScrapedPod, ScrapedPods } from './scraped-pods.ts';

/** Where Prometheus finds the pods and scrapes each of them. */
export interface Exporter {
  /** The address of the list of targets, for `http_sd_configs`. */
  readonly targetsUrl: string;
  stop(): Promise<void>;
}

/** Called when a pod is scraped. It answers once the promise resolves, with its counters as they are then, or not if it cannot be reached. */
export type OnScrape = (pod: ScrapedPod, response: ServerResponse) => Promise<void> | void;

/** Serves pods on 127.0.0.1: the targets that are there now, and at a path of each its counters as they are now. */
export async function startExporter(
  podsOf: () => ScrapedPods,
  now: () => number,
  onScrape?: OnScrape,
): Promise<Exporter> {
  let host = '';
  const isThere = ({ bornMs, diedMs }: { bornMs: number; diedMs: number }) =>
    bornMs <= now() && now() < diedMs;
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://exporter');
    const pods = podsOf();
    const present = pods.pods.filter(isThere);
    if (url.pathname === '/targets') {
      response.setHeader('Content-Type', 'application/json');
      const targets = present.map(({ name, labels }) => ({
        targets: [host],
        labels: { ...labels, __metrics_path__: `/pods/${encodeURIComponent(name)}/metrics` },
      }));
      response.end(JSON.stringify(targets));
      return;
    }
    const name = decodeURIComponent(/^\/pods\/([^/]+)\/metrics$/.exec(url.pathname)?.[1] ?? '');
    const pod = present.find((one) => one.name === name);
    if (pod !== undefined) await onScrape?.(pod, response);
    // A pod that is gone, or whose network is, answers nothing.
    if (pod?.isReachable !== true) return response.socket?.resetAndDestroy();
    response.setHeader('Content-Type', 'text/plain; version=0.0.4');
    response.end(expositionText(pods.seriesOf(pod, [now()])));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    targetsUrl: `http://${host}/targets`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Counters in Prometheus' text format, by metric. */
function expositionText(series: readonly PodSeries[]): string {
  const metrics = [...new Set(series.map(({ metric }) => metric))];
  return metrics
    .map((metric) => {
      const lines = series.flatMap(({ metric: of, labels, values: [value = 0] }) =>
        of === metric && value > 0 ? [`${metric}{${labelsText(labels)}} ${value}\n`] : [],
      );
      return `# TYPE ${metric} counter\n${lines.join('')}`;
    })
    .join('');
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`)
    .join(',');
}
