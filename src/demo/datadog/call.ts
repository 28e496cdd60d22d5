import type { IncomingHttpHeaders } from 'node:http';

/** One call as it came in; `status` is null where no answer was ever sent. */
export interface Call {
  readonly at: number;
  readonly method: string;
  /** Without the query string. */
  readonly path: string;
  readonly search: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON, or the text where it is none, or null where there was no body. */
  readonly body: unknown;
  status: number | null;
}
