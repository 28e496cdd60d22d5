import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * What one connection may hold. Node hands over every request of a read at once, thousands of them, and keeps their
 * answers for as long as the caller does not read: memory without bound, for a caller that needs no token.
 */

/**
 * How many requests of a connection may wait while the one before them is answered. A connection that has more is
 * closed. The clients in use (Argo Rollouts, Prometheus, curl, Envoy) send the next request after the answer.
 */
export const maxWaiting = 16;

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

interface Turn {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly handler: RequestHandler;
}

/** The requests of one connection that are not answered. */
interface Pipeline {
  readonly socket: Socket;
  isAnswering: boolean;
  readonly waiting: Turn[];
  /** Runs once, when nothing is left to answer. */
  afterwards: (() => void) | undefined;
  readonly advance: () => void;
}

export interface Pipelines {
  /** Hands a request to `handler` when those before it on its connection are answered. */
  readonly enter: (request: IncomingMessage, response: ServerResponse, handler: RequestHandler) => void;
  /** Runs `then` when all that was read on this connection is answered, and never where the connection ends before. */
  readonly afterAll: (socket: Socket, then: () => void) => void;
  /** Whether a connection has a request that is not answered, or not to its last byte. */
  readonly isBusy: (socket: Socket) => boolean;
  /** How many connections are busy. */
  readonly busy: () => number;
  /** Begins no answer until the returned function is called. */
  readonly hold: () => () => void;
}

/** `overflowed` is called with each connection that was closed because it had too many requests. */
export function createPipelines(overflowed: (socket: Socket) => void): Pipelines {
  const pipelines = new WeakMap<Socket, Pipeline>();
  const busy = new Set<Pipeline>();
  let held: (() => void)[] | undefined;

  function open(socket: Socket): Pipeline {
    const pipeline: Pipeline = {
      socket,
      isAnswering: false,
      waiting: [],
      afterwards: undefined,
      advance: () => {
        pipeline.isAnswering = false;
        const next = pipeline.waiting.shift();
        if (next !== undefined && !socket.destroyed) return begin(pipeline, next);
        busy.delete(pipeline);
        const { afterwards } = pipeline;
        pipeline.afterwards = undefined;
        if (!socket.destroyed) afterwards?.();
      },
    };
    socket.once('close', () => {
      pipeline.waiting.length = 0;
      busy.delete(pipeline);
    });
    pipelines.set(socket, pipeline);
    return pipeline;
  }

  function begin(pipeline: Pipeline, { request, response, handler }: Turn): void {
    pipeline.isAnswering = true;
    busy.add(pipeline);
    // The system has all of the answer, or the connection is gone.
    response.once('close', pipeline.advance);
    if (held === undefined) handler(request, response);
    else held.push(() => handler(request, response));
  }

  return {
    enter(request, response, handler) {
      const { socket } = request;
      // What one read held is handed over to its end, whatever became of the connection.
      if (socket.destroyed) return;
      const pipeline = pipelines.get(socket) ?? open(socket);
      if (!pipeline.isAnswering) begin(pipeline, { request, response, handler });
      else if (pipeline.waiting.length < maxWaiting) pipeline.waiting.push({ request, response, handler });
      else {
        overflowed(socket);
        pipeline.waiting.length = 0;
        socket.destroy();
      }
    },

    afterAll(socket, then) {
      const pipeline = pipelines.get(socket);
      if (pipeline?.isAnswering) pipeline.afterwards = then;
      else then();
    },

    isBusy: (socket) => pipelines.get(socket)?.isAnswering === true,
    busy: () => busy.size,

    hold() {
      held ??= [];
      return () => {
        const begin = held ?? [];
        held = undefined;
        for (const one of begin) one();
      };
    },
  };
}
