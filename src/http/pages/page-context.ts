/** What every page needs to know of the gate and of the request. */
export interface PageContext {
  /** Before every path of a link: empty, or `/cuj-gate`. */
  readonly basePath: string;
  /** Which environment the page is about; absent where the registry has none. */
  readonly environment?: string;
  /** Epoch ms. Undefined on a page that shows nothing that becomes old. */
  readonly nowMs?: number;
  /** Undefined where there is none. */
  readonly registry?: {
    readonly digest: string;
    readonly loadedAtMs: number;
    /** The last change was refused; the registry is an older one. */
    readonly isOutdated: boolean;
    readonly cujs: number;
    readonly services: number;
  };
}

/** A link within the gate, to a page about the same environment. */
export function linkTo(
  { basePath, environment }: Pick<PageContext, 'basePath' | 'environment'>,
  path: string,
): string {
  return `${basePath}${inEnvironment(environment, path)}`;
}

/** The path with the parameter that names the environment, where there is one and the path does not name it. */
export function inEnvironment(environment: string | undefined, path: string): string {
  if (environment === undefined || path.startsWith('/assets/') || /[?&]environment=/.test(path)) return path;
  return `${path}${path.includes('?') ? '&' : '?'}environment=${environment}`;
}

/** A query string with its question mark; empty without parameters. */
export function queryOf(params: Iterable<readonly [string, string]>): string {
  const text = new URLSearchParams([...params].map(([name, value]) => [name, value])).toString();
  return text === '' ? '' : `?${text}`;
}

/** The link as it is, where a browser may follow it. A registry can hold `javascript:` and other schemes. */
export function webLink(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    const { protocol, href } = new URL(text);
    return protocol === 'https:' || protocol === 'http:' ? href : undefined;
  } catch {
    return undefined;
  }
}
