import { CookieJar } from 'tough-cookie';
import { Agent, buildConnector, request } from 'undici';
import { onTestFinished } from 'vitest';
import type { Ingress } from './ingress.ts';

export interface Shown {
  readonly url: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** What a browser sends when a person opens an address. */
export const browserAccept =
  'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';

const maxRedirects = 10;

/** As a browser: sends cookies where they belong, and follows redirects. It finds the host of the Ingress on loopback. */
export class Browser {
  readonly jar = new CookieJar();
  readonly #agent: Agent;
  /** Every address that was visited, in order. */
  readonly visited: string[] = [];

  constructor(host: string, ingress: Ingress) {
    const connect = buildConnector({ ca: ingress.ca });
    this.#agent = new Agent({
      connect: (options, callback) =>
        options.hostname === host
          ? connect(
              { ...options, hostname: '127.0.0.1', port: String(ingress.port), servername: host },
              callback,
            )
          : connect(options, callback),
    });
    onTestFinished(() => this.#agent.destroy());
  }

  /** One request, without following a redirect. */
  async get(url: string, headers: Record<string, string> = {}): Promise<Shown> {
    this.visited.push(url);
    const cookie = await this.jar.getCookieString(url);
    const {
      statusCode,
      headers: answered,
      body,
    } = await request(url, {
      dispatcher: this.#agent,
      headers: { accept: browserAccept, ...headers, ...(cookie === '' ? {} : { cookie }) },
    });
    for (const one of [answered['set-cookie'] ?? []].flat()) await this.jar.setCookie(one, url);
    return { url, status: statusCode, headers: answered, text: await body.text() };
  }

  /** Opens an address as a person does. */
  async open(url: string): Promise<Shown> {
    let shown = await this.get(url);
    for (let redirects = 0; shown.status >= 300 && shown.status < 400; redirects += 1) {
      if (redirects === maxRedirects)
        throw new Error(`redirected without an end: ${this.visited.join(' -> ')}`);
      shown = await this.get(new URL(shown.headers.location as string, shown.url).href);
    }
    return shown;
  }
}
