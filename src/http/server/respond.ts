import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GateMetrics } from '../operations/metrics.ts';
import { wantsPage } from '../pages/accept.ts';
import { htmlType, pageHeaders } from '../pages/page-headers.ts';
import { problemPageText } from '../pages/problem-page.tsx';
import { type Query, readFlag } from '../status/query-params.ts';
import type { CommonPorts } from './ports.ts';
import { jsonText, type ProblemDocument, problemType } from './problem.ts';

export const jsonType = 'application/json; charset=utf-8';

/** Sends an answer. Every answer of every route is sent here, so that all have the same headers and are counted. */
export type Respond = (
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  type: string,
  body: string | Buffer,
  more?: {
    /** Whether the request has its line in the log already. */
    readonly logged?: boolean;
    /** Default: `no-store`. */
    readonly cacheControl?: string;
  },
) => FastifyReply;

declare module 'fastify' {
  interface FastifyInstance {
    /** Before the path of every link, where the gate is below a path: `/cuj-gate`. */
    basePath: string;
  }
  interface FastifyRequest {
    /** By performance.now(); 0 until the request was admitted. */
    startedAt: number;
  }
}

export function createRespond({ phase, logger }: CommonPorts, metrics: GateMetrics): Respond {
  return (request, reply, status, type, body, { logged = false, cacheControl = 'no-store' } = {}) => {
    reply.code(status).header('content-type', type).header('cache-control', cacheControl);
    reply.header('x-request-id', request.id);
    reply.header('vary', 'Accept');
    // The pod is about to end: a client that kept its connection would find it reset.
    if (phase() !== 'serving') reply.header('connection', 'close');
    // A request whose path cannot be decoded reaches no hook, and is not decorated.
    const seconds = request.startedAt > 0 ? (performance.now() - request.startedAt) / 1000 : 0;
    metrics.answered(routeOf(request), request.method, status, seconds);
    if (!logged && logger.isLevelEnabled('debug')) {
      logger.debug(
        {
          reqId: request.id,
          ...(request.caller === undefined ? {} : { caller: request.caller }),
          method: request.method,
          route: routeOf(request),
          status,
          durationMs: seconds * 1000,
        },
        'answered',
      );
    }
    // A character has at most three bytes in UTF-8. Node sends a short text together with the head.
    if (body.length <= pieceBytes / 3) return reply.send(body);
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    if (bytes.length <= pieceBytes) return reply.send(bytes);
    reply.header('content-length', bytes.length);
    return reply.send(Readable.from(piecesOf(bytes), { objectMode: false, highWaterMark: pieceBytes }));
  };
}

/**
 * A long answer is sent in pieces, each when the system has taken the one before. TLS then encrypts no further ahead of
 * its reader, and a slow reader can be distinguished from one that reads nothing.
 */
const pieceBytes = 64 * 1024;

function* piecesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** The template of the route that a request reached, `none` where it reached none. */
export function routeOf(request: FastifyRequest): string {
  return request.is404 ? 'none' : (request.routeOptions.url ?? 'none');
}

/** Whether `?pretty` was asked for, as far as the query can be read at all. */
export function wantsPretty(request: FastifyRequest): boolean {
  const query = request.query as Query | undefined;
  if (query?.values === undefined) return false;
  try {
    return readFlag(query, 'pretty');
  } catch {
    return false;
  }
}

export function respondWithProblem(
  respond: Respond,
  request: FastifyRequest,
  reply: FastifyReply,
  document: ProblemDocument,
): FastifyReply {
  if (document.code === 'method_not_allowed') reply.header('allow', 'GET, HEAD');
  if (document.code === 'draining' || document.code === 'not_ready') reply.header('retry-after', '1');
  if (wantsPage(request)) {
    reply.headers(pageHeaders);
    const { basePath } = request.server;
    return respond(
      request,
      reply,
      document.status,
      htmlType,
      problemPageText(document, basePath, request.id),
    );
  }
  return respond(request, reply, document.status, problemType, jsonText(document, wantsPretty(request)));
}
