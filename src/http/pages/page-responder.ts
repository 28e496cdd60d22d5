import type { FastifyReply, FastifyRequest } from 'fastify';
import { notReadyProblem } from '../operations/health.ts';
import { withinDeadline } from '../server/deadline.ts';
import { type AppPorts, type RegistryState, systemTimer } from '../server/ports.ts';
import { ProblemError, problem } from '../server/problem.ts';
import type { Respond } from '../server/respond.ts';
import type { Load } from '../status/load.ts';
import { type PageParts, pageText } from './layout.tsx';
import type { PageContext } from './page-context.ts';
import { htmlType, pageHeaders } from './page-headers.ts';
import { noPagePorts, type PagePorts } from './page-ports.ts';

/** How many pages are made at once. A person waits for a page, and a rollout waits for a verdict: verdicts come first. */
const maxPages = 8;

/** What the handlers of pages share. */
export interface PageResponder {
  readonly pagePorts: PagePorts;
  registryState(): RegistryState;
  context(request: FastifyRequest): PageContext;
  /** The absolute URL of a path, for commands that people paste. */
  absolute(request: FastifyRequest, path: string): string;
  /** Runs the work of a page within the deadline, as one of at most {@link maxPages}. Throws ProblemError. */
  within<T>(request: FastifyRequest, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  send(request: FastifyRequest, reply: FastifyReply, parts: Omit<PageParts, 'context'>): FastifyReply;
}

export function createPageResponder(
  ports: AppPorts,
  respond: Respond,
  load: Pick<Load, 'pages'>,
): PageResponder {
  const pagePorts = ports.pages ?? noPagePorts;
  const timer = ports.timer ?? systemTimer;

  function registryState(): RegistryState {
    const state = ports.registry();
    if (state === undefined) throw new ProblemError(notReadyProblem());
    return state;
  }

  function context(): PageContext {
    const { registry, loadedAtMs, failure } = registryState();
    return {
      basePath: pagePorts.basePath,
      ...(registry.environment === undefined ? {} : { environment: registry.environment }),
      nowMs: ports.now(),
      registry: {
        digest: registry.digest,
        loadedAtMs,
        isOutdated: failure !== undefined,
        cujs: registry.cujs.size,
        services: registry.services.size,
      },
    };
  }

  return {
    pagePorts,
    registryState,
    context,

    absolute(request, path) {
      const base =
        pagePorts.publicUrl ??
        `${request.protocol}://${request.headers.host ?? 'localhost'}${pagePorts.basePath}`;
      return `${base}${path}`;
    },

    async within<T>(request: FastifyRequest, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
      if (load.pages >= maxPages) {
        throw new ProblemError(
          problem(
            'overloaded',
            `${maxPages} other pages are being made.`,
            'Reload the page in some seconds. Verdicts for rollouts are not affected.',
          ),
        );
      }
      load.pages += 1;
      try {
        return await withinDeadline<T>(
          timer,
          Math.max(1, ports.deadlineMs - request.identifiedInMs),
          work,
          () => {
            throw new ProblemError(
              problem(
                'overloaded',
                'The page could not be made in time.',
                'Reload it. If this lasts, check whether the metrics backend is slow (cuj_gate_source_request_duration_seconds).',
              ),
            );
          },
          (error) => ports.logger.error({ err: error }, 'page failed after its deadline'),
        );
      } finally {
        load.pages -= 1;
      }
    },

    send(request, reply, parts) {
      reply.headers(pageHeaders);
      return respond(request, reply, 200, htmlType, pageText({ ...parts, context: context() }));
    },
  };
}
