import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { throttled } from '../auth/authenticate.ts';
import type { GateMetrics } from '../operations/metrics.ts';
import { createPipelines, maxWaiting, type RequestHandler } from './pipelines.ts';
import type { AppPorts } from './ports.ts';
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
  'Percent-encode the URL: a raw space or a character outside ASCII is not allowed in a request line. Header values such as X-Canary-Version need no encoding.';

function problemOfParseError(error: ParseError): ProblemDocument {
  const packet = Buffer.isBuffer(error.rawPacket) ? error.rawPacket : undefined;
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return packet !== undefined && isLongLine(packet)
        ? problem(
            'uri_too_long',
            'The URL is too long.',
            'Request line and headers together may have 16 KiB.',
          )
        : problem(
            'headers_too_large',
            'The headers, or the URL, are too large.',
            'Request line and headers together may have 16 KiB.',
          );
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return problem('request_timeout', 'The request did not arrive in time.', 'Send it at once.');
    case 'HPE_INVALID_VERSION':
      return problem(
        'http_version_not_supported',
        'This version of HTTP is not supported.',
        `Use HTTP/1.1. ${encodeHint}`,
      );
    case 'HPE_PAUSED_H2_UPGRADE':
      return problem('http_version_not_supported', 'HTTP/2 is not supported.', 'Use HTTP/1.1.');
    default:
      // A TLS client begins with a handshake record, type 22.
      return packet?.[0] === 22
        ? problem('malformed_request', 'This port serves plain HTTP.', 'Use http://.')
        : problem('malformed_request', 'The request cannot be read.', encodeHint);
  }
}

const oddlyFramed = problem(
  'malformed_request',
  'The Transfer-Encoding is not chunked, or the request is HTTP/1.0.',
  'Send a plain GET without a body.',
);

/** Whether where a request ends is a matter of opinion (RFC 9112, 6.1): what follows could be its body, or a request. */
function isFramedOddly({ headers, httpVersion }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding'];
  return coding !== undefined && (httpVersion === '1.0' || coding.toLowerCase() !== 'chunked');
}

/**
 * Whether what overflowed begins with a request line that is most of it. Where a request came in several pieces, this is the last one,
 * which begins anywhere.
 */
function isLongLine(packet: Buffer): boolean {
  if (!/^[A-Z]+ /.test(packet.toString('latin1', 0, 20))) return false;
  const end = packet.indexOf('\n');
  return end < 0 || end > 8_192;
}

/** A whole response, after which the connection is closed. */
function rawResponse(document: ProblemDocument, headers: string): string {
  const body = jsonText(document, false);
  return `HTTP/1.1 ${document.status} ${document.title}\r\ncontent-type: ${problemType}\r\ncache-control: no-store\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
}

/** How long the other side may go on sending after the last answer, in ms, before the connection is cut. */
const lingerMs = 2_000;

/** How long an answer waits for a caller that reads nothing of it, in ms: longer than making one can take. */
const unreadMs = 30_000;

/**
 * How often that time may be over until an answer is given up, whatever the caller does: one that goes on sending, a byte now and
 * then, looks alive to Node.
 */
const maxUnreadTimes = 4;

export interface SocketErrors {
  readonly clientError: (error: ParseError, socket: Socket) => void;
  /** A server's handler of requests that answers those of one connection in turn. */
  readonly watched: (handler: RequestHandler) => RequestHandler;
  /** Listens for CONNECT, for an Expect that is not 100-continue, and for responses that are not read. */
  readonly listen: (server: Server) => void;
  /** How many connections have a request that is not answered to its last byte. */
  readonly busy: () => number;
  /** Begins no answer until the returned function is called. */
  readonly hold: () => () => void;
}

export function createSocketErrors(
  metrics: GateMetrics,
  ports: Pick<AppPorts, 'logger' | 'now' | 'unreadMs'>,
): SocketErrors {
  /** Nothing more is answered on these, but the refusal. */
  const ended = new WeakSet<Socket>();
  /** Our side of these is ended. */
  const closing = new WeakSet<Socket>();
  const complaint = throttled<object>(ports.now, (fields, suppressed) =>
    ports.logger.warn({ ...fields, suppressed }, 'connection closed'),
  );
  const complain = (socket: Socket, code: string, detail: string) =>
    complaint({ address: socket.remoteAddress, code, detail });
  const pipelines = createPipelines((socket) =>
    complain(socket, 'too_many_requests_waiting', `It had more than ${maxWaiting} requests waiting.`),
  );

  /**
   * Ends our side only, and throws away what still comes. Closed with something unread, the other side is reset, and loses
   * the answers that it has not read (RFC 9112, 9.6).
   */
  function closeSoftly(socket: Socket, lastBytes?: string): void {
    if (closing.has(socket)) return;
    closing.add(socket);
    socket.end(lastBytes ?? '');
    socket.resume();
    const cut = setTimeout(() => socket.destroy(), lingerMs);
    socket.once('close', () => clearTimeout(cut));
  }

  function end(socket: Socket, document: ProblemDocument, headers = ''): void {
    if (ended.has(socket)) return;
    ended.add(socket);
    // Node's listener would close the connection after the answers that are still being made, and before the refusal.
    socket.removeAllListeners('end');
    // Otherwise the refusal of a later request would be taken for the answer to an earlier one.
    pipelines.afterAll(socket, () => {
      if (!socket.writable) return closeSoftly(socket);
      metrics.answered('none', 'other', document.status, 0);
      closeSoftly(socket, rawResponse(document, headers));
    });
  }

  const unreadAfterMs = ports.unreadMs ?? unreadMs;
  const limitMs = maxUnreadTimes * unreadAfterMs;

  /** The handler, with a limit to the time from its call until the caller has all of the answer. */
  const limited =
    (handler: RequestHandler): RequestHandler =>
    (request, response) => {
      const { socket } = request;
      const limit = setTimeout(() => {
        complain(socket, 'answer_unread', `The caller did not read a response within ${limitMs / 1000} s.`);
        socket.destroy();
      }, limitMs);
      response.once('close', () => clearTimeout(limit));
      handler(request, response);
    };

  const watched: SocketErrors['watched'] = (original) => {
    const handler = limited(original);
    return (request, response) => {
      // Node cuts the connection after a request of this name, with the answers to those before it still unwritten.
      if (request.method === 'PRI') request.method = 'pri';
      // After a request with ambiguous framing, nothing on the connection is parsed.
      if (ended.has(request.socket)) return;
      if (isFramedOddly(request)) end(request.socket, oddlyFramed);
      else pipelines.enter(request, response, handler);
    };
  };

  return {
    clientError(error, socket) {
      if (error.code === 'ECONNRESET') return void socket.destroy();
      // What still comes is read and thrown away until the connection is cut.
      if (ended.has(socket) || closing.has(socket)) return void socket.resume();
      if (!socket.writable) return closeSoftly(socket);
      end(socket, problemOfParseError(error));
    },

    watched,

    busy: pipelines.busy,
    hold: pipelines.hold,

    listen(server) {
      // A caller may end its own side once it has asked, as `printf … | nc` does. Otherwise Node ends the connection at once,
      // before the answers that are still being made. Not in Node's types; read by it since version 0.6.
      (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
      const accept = (socket: Socket) => {
        // Node calls it after the last answer of a connection, such as one to "Connection: close".
        socket.destroySoon = () => closeSoftly(socket);
      };
      server.on('connection', accept);
      server.on('secureConnection', (socket: Socket) => {
        // Not during the handshake: a caller that leaves there is gone.
        socket.allowHalfOpen = true;
        accept(socket);
      });
      // Node's timeout fires when nothing was read for this long, and when an idle connection's time is over.
      server.timeout = unreadAfterMs;
      server.on('timeout', (socket: Socket) => {
        if (pipelines.isBusy(socket))
          complain(
            socket,
            'answer_unread',
            `The caller read nothing of a response for ${server.timeout / 1000} s.`,
          );
        socket.destroy();
      });
      server.on('connect', (_request: IncomingMessage, socket: Socket) => {
        socket.on('error', () => socket.destroy());
        // Node no longer listens for it. Answers before this one may be unread.
        socket.on('timeout', () => socket.destroy());
        end(
          socket,
          problem('method_not_allowed', 'CONNECT is not supported: the gate is not a proxy.', 'Use GET.'),
          'allow: GET, HEAD\r\n',
        );
      });
      const refuseExpectation: RequestHandler = (_, response) => {
        const document = problem(
          'expectation_failed',
          'Only Expect: 100-continue is supported.',
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
      };
      server.on('checkExpectation', watched(refuseExpectation));
    },
  };
}
