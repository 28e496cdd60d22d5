import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Tracing } from '../../domain/ports/tracing.ts';
import { operationRoutes } from './routes.ts';

type Hook = (request: FastifyRequest, reply: FastifyReply, next: () => void) => void;

/** An onRequest hook that traces requests from their arrival to the last byte. Probes and scrapers are left out. */
export function requestSpans(tracing: Tracing): Hook {
  return (request, reply, next) => {
    const route = request.is404 ? undefined : request.routeOptions.url;
    if (route !== undefined && operationRoutes.includes(route)) {
      next();
      return;
    }
    const { raw } = reply;
    const about = {
      method: request.method,
      route,
      headers: request.headers,
      attributes: {
        'url.path': (request.url.split('?', 1)[0] as string).slice(0, 500),
        'url.scheme': request.protocol,
        'cuj_gate.request_id': request.id,
      },
    };
    tracing.request(about, (span) => {
      raw.once('close', () => span.end(raw.writableFinished ? raw.statusCode : undefined));
      next();
    });
  };
}
