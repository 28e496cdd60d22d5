/**
 * A caller that behaves like Argo Rollouts' web metric provider (according to its v1.10.0 source): a status other than 2xx
 * is an error whose body is ignored, both conditions judge the value of `$.summary`, and the limits decide when a run
 * ends. It lets the demo show what a real controller would do.
 */

export type Phase = 'Successful' | 'Failed' | 'Inconclusive' | 'Error';

export interface MetricOptions {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly failureLimit: number;
  readonly inconclusiveLimit: number;
  readonly consecutiveErrorLimit: number;
  /** Ask as of a moment in the past, epoch ms, and judge what was computed again for it. */
  readonly momentMs?: () => number;
}

export interface ArgoMeasurement {
  readonly metric: string;
  readonly phase: Phase;
  /** The value that `kubectl describe analysisrun` shows. */
  readonly value: string;
}

/** Argo's timeout of a request. */
const timeoutMs = 10_000;

/** One metric of a background analysis run: measured repeatedly until a limit is exceeded. */
export class WatchedMetric {
  readonly options: MetricOptions;
  #failed = 0;
  #inconclusive = 0;
  #consecutiveErrors = 0;

  constructor(options: MetricOptions) {
    this.options = options;
  }

  async measure(): Promise<ArgoMeasurement> {
    const { phase, value } = await this.#ask();
    if (phase === 'Failed') this.#failed += 1;
    if (phase === 'Inconclusive') this.#inconclusive += 1;
    this.#consecutiveErrors = phase === 'Error' ? this.#consecutiveErrors + 1 : 0;
    return { metric: this.options.name, phase, value };
  }

  /** The end of the run after the measurements so far; undefined while it continues. */
  verdict(): { readonly phase: Phase; readonly message: string } | undefined {
    const { name, failureLimit, inconclusiveLimit, consecutiveErrorLimit } = this.options;
    const ended = (phase: Phase, what: string) => ({
      phase,
      message: `Metric "${name}" assessed ${phase} due to ${what}`,
    });
    if (this.#failed > failureLimit)
      return ended('Failed', `failed (${this.#failed}) > failureLimit (${failureLimit})`);
    if (this.#inconclusive > inconclusiveLimit) {
      return ended(
        'Inconclusive',
        `inconclusive (${this.#inconclusive}) > inconclusiveLimit (${inconclusiveLimit})`,
      );
    }
    if (this.#consecutiveErrors > consecutiveErrorLimit) {
      return ended(
        'Error',
        `consecutiveErrors (${this.#consecutiveErrors}) > consecutiveErrorLimit (${consecutiveErrorLimit})`,
      );
    }
    return undefined;
  }

  async #ask(): Promise<{ phase: Phase; value: string }> {
    let body: unknown;
    try {
      const { url, momentMs } = this.options;
      const at = momentMs === undefined ? '' : `?at=${new Date(momentMs()).toISOString()}`;
      const response = await fetch(`${url}${at}`, {
        headers: this.options.headers,
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await response.text();
      if (!response.ok)
        return { phase: 'Error', value: `received non 2xx response code: ${response.status}` };
      body = JSON.parse(text);
      if (momentMs !== undefined) body = (body as { recomputed?: unknown }).recomputed;
    } catch (error) {
      return { phase: 'Error', value: error instanceof Error ? error.message : String(error) };
    }
    const summary =
      typeof body === 'object' && body !== null ? (body as { summary?: unknown }).summary : undefined;
    if (typeof summary !== 'string') return { phase: 'Error', value: 'summary is not found' };
    if (summary.startsWith('FAIL')) return { phase: 'Failed', value: summary };
    return { phase: summary.startsWith('PASS') ? 'Successful' : 'Inconclusive', value: summary };
  }
}
