import type { IncomingHttpHeaders } from 'node:http';

/** One received call; `status` is null if no response was sent. */
export interface Call {
  readonly at: number;
  readonly method: string;
  /** Without the query string. */
  readonly path: string;
  readonly search: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON; the text if it is not JSON; null without a body. */
  readonly body: unknown;
  status: number | null;
}
