import { negotiate } from '@fastify/accept-negotiator';
import type { FastifyRequest } from 'fastify';

/** JSON first: it wins where a client wants both equally. */
const types = ['application/json', 'text/html'];

/**
 * Whether a request asks for a page. A page must never reach Argo Rollouts: up to 1.10 it takes a 2xx that is not JSON for a
 * success. So `Accept` has to name `text/html` literally, not by a wildcard, and prefer it to JSON; and a request with a
 * canary's header is a template's, whatever a proxy made of its `Accept`. Templates without parameters send a bare `X-Canary`.
 */
export function wantsPage({ method, headers }: Pick<FastifyRequest, 'method' | 'headers'>): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const { accept } = headers;
  if (accept === undefined || accept.length > 1_000 || negotiate(accept, types) !== 'text/html') return false;
  for (const name in headers) if (name === 'x-canary' || name.startsWith('x-canary-')) return false;
  return true;
}
