/**
 * A caller that treats answers as Argo Rollouts' web metric provider does (read from its v1.10.0 source): non-2xx is an
 * error whose body is thrown away, the value under `$.summary` is judged by both conditions, and the limits decide when
 * a run ends. It exists so that the demo shows what a controller would do, not what the gate hopes for.
 */

export type Phase = 'Successful' | 'Failed' | 'Inconclusive' | 'Error';

export interface MetricOptions {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly failureLimit: number;
  readonly inconclusiveLimit: number;
  readonly consecutiveErrorLimit: number;
}

export interface Taken {
  readonly metric: string;
  readonly phase: Phase;
  /** What `kubectl describe analysisrun` shows. */
  readonly value: string;
}

/** Argo gives up on a whole exchange after this. */
const timeoutMs = 10_000;

/** One metric of a background analysis run: measured again and again until a limit is passed. */
export class WatchedMetric {
  readonly options: MetricOptions;
  #failed = 0;
  #inconclusive = 0;
  #consecutiveErrors = 0;

  constructor(options: MetricOptions) {
    this.options = options;
  }

  async measure(): Promise<Taken> {
    const { phase, value } = await this.#ask();
    if (phase === 'Failed') this.#failed += 1;
    if (phase === 'Inconclusive') this.#inconclusive += 1;
    this.#consecutiveErrors = phase === 'Error' ? this.#consecutiveErrors + 1 : 0;
    return { metric: this.options.name, phase, value };
  }

  /** How the run ends by what was measured so far, or undefined while it goes on. */
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
      const response = await fetch(this.options.url, {
        headers: this.options.headers,
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await response.text();
      if (!response.ok)
        return { phase: 'Error', value: `received non 2xx response code: ${response.status}` };
      body = JSON.parse(text);
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
