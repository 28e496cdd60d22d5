import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { GateMetrics } from '../operations/metrics.ts';
import { jsonText, type ProblemDocument, problem, problemType } from './problem.ts';

/**
 * What Node itself would answer with an empty body, or with a closed connection: requests that never become one. Argo's
 * controllers and people with curl get a problem document here as everywhere.
 */

interface ParseError extends Error {
  readonly code?: string;
  readonly rawPacket?: unknown;
}

const encodeHint =
  'Percent-encode the URL: a raw space or a character outside ASCII must not stand in a request line. Header values such as X-Canary-Version need no encoding.';

function problemOfParseError(error: ParseError): ProblemDocument {
  const packet = Buffer.isBuffer(error.rawPacket) ? error.rawPacket : undefined;
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return packet !== undefined && isLongLine(packet)
        ? problem(
            'uri_too_long',
            'The URL is too long.',
            'Request line and headers together have room for 16 KiB.',
          )
        : problem(
            'headers_too_large',
            'The headers are too large.',
            'Request line and headers together have room for 16 KiB.',
          );
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return problem('request_timeout', 'The request did not arrive in time.', 'Send it at once.');
    case 'HPE_INVALID_VERSION':
      return problem(
        'http_version_not_supported',
        'This version of HTTP is not spoken here.',
        `Use HTTP/1.1. ${encodeHint}`,
      );
    case 'HPE_PAUSED_H2_UPGRADE':
      return problem('http_version_not_supported', 'HTTP/2 is not spoken here.', 'Use HTTP/1.1.');
    default:
      // A TLS client begins with a handshake record, type 22.
      return packet?.[0] === 22
        ? problem('malformed_request', 'This port speaks plain HTTP, not HTTPS.', 'Ask with http://.')
        : problem('malformed_request', 'The request cannot be read.', encodeHint);
  }
}

/** Whether what overflowed begins with a line that is most of it: a request line, by all appearances. */
function isLongLine(packet: Buffer): boolean {
  const end = packet.indexOf('\n');
  return end < 0 || end > 8_192;
}

/** A whole response, after which the connection is closed. */
function rawResponse(document: ProblemDocument, headers: string): string {
  const body = jsonText(document, false);
  return `HTTP/1.1 ${document.status} ${document.title}\r\ncontent-type: ${problemType}\r\ncache-control: no-store\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
}

/** How long a connection that was refused may go on sending, in ms, before it is cut. */
const lingerMs = 2_000;

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface SocketErrors {
  readonly clientError: (error: ParseError, socket: Socket) => void;
  /** A server's handler of requests that knows what each connection still waits for. */
  readonly watched: (handler: RequestHandler) => RequestHandler;
  /** Listens for CONNECT and for an Expect that is not 100-continue. */
  readonly listen: (server: Server) => void;
}

export function createSocketErrors(metrics: GateMetrics): SocketErrors {
  const ended = new WeakSet<Socket>();
  /** Requests of a connection that may not be answered yet, in order. Node shows only the one that it is writing. */
  const pending = new WeakMap<Socket, ServerResponse[]>();

  /**
   * Runs `then` once the requests that came before on this connection are answered: whoever pipelines would otherwise
   * take the refusal of a later request for the answer to an earlier one.
   */
  function afterPending(socket: Socket, then: () => void): void {
    const next = pending.get(socket)?.find(({ closed }) => !closed);
    if (next === undefined) then();
    else next.once('close', () => afterPending(socket, then));
  }

  function end(socket: Socket, document: ProblemDocument, headers = ''): void {
    if (ended.has(socket)) return;
    ended.add(socket);
    afterPending(socket, () => {
      if (!socket.writable) return void socket.destroy();
      metrics.answered('none', 'other', document.status, 0);
      // Ended on our side only: closed with something unread, the other side is reset, and may lose what was answered.
      socket.end(rawResponse(document, headers));
      socket.resume();
      const cut = setTimeout(() => socket.destroy(), lingerMs);
      socket.once('close', () => clearTimeout(cut));
    });
  }

  return {
    clientError(error, socket) {
      if (error.code === 'ECONNRESET') return void socket.destroy();
      // What still comes is read and thrown away until the connection is cut.
      if (ended.has(socket)) return;
      if (!socket.writable) return void socket.destroy();
      end(socket, problemOfParseError(error));
    },

    watched: (handler) => (request, response) => {
      // Node cuts the connection after a request of this name, with the answers to those before it still unwritten.
      if (request.method === 'PRI') request.method = 'pri';
      const waiting = pending.get(request.socket);
      if (waiting === undefined) pending.set(request.socket, [response]);
      else {
        while (waiting[0]?.closed) waiting.shift();
        waiting.push(response);
      }
      handler(request, response);
    },

    listen(server) {
      server.on('connect', (_request: IncomingMessage, socket: Socket) => {
        socket.on('error', () => socket.destroy());
        end(
          socket,
          problem('method_not_allowed', 'CONNECT is not supported: this is no proxy.', 'Use GET.'),
          'allow: GET, HEAD\r\n',
        );
      });
      server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
        const document = problem(
          'expectation_failed',
          'Nothing but 100-continue can be expected here.',
          'Send no Expect header.',
        );
        const body = jsonText(document, false);
        metrics.answered('none', 'other', document.status, 0);
        response.writeHead(document.status, {
          'content-type': problemType,
          'cache-control': 'no-store',
          'content-length': Buffer.byteLength(body),
          connection: 'close',
        });
        response.end(body);
      });
    },
  };
}
