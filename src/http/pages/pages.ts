import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AppPorts } from '../server/ports.ts';
import type { Respond } from '../server/respond.ts';
import type { Load } from '../status/load.ts';
import { createOverviewPages } from './overview-routes.tsx';
import { createPageResponder } from './page-responder.ts';
import { createVerdictPages } from './verdict-routes.tsx';

/** Answers a browser. Throws what a route may throw: CallerError, ProblemError. */
export type Page = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

export interface Pages {
  readonly start: Page;
  readonly report: Page;
  readonly cuj: Page;
  /** At the addresses of the two routes that Argo asks. */
  readonly verdictOfCuj: Page;
  readonly verdictOfService: Page;
  /** Short links, which send a browser to the page that they mean. */
  readonly cujLink: Page;
  readonly serviceLink: Page;
}

export function createPages(ports: AppPorts, respond: Respond, load: Pick<Load, 'pages'>): Pages {
  const responder = createPageResponder(ports, respond, load);
  return { ...createOverviewPages(ports, responder), ...createVerdictPages(ports, responder) };
}
