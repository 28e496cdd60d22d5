import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { visible } from '../../domain/outside-text.ts';
import { throttled } from '../auth/authenticate.ts';
import type { AppPorts } from './ports.ts';

/** Failed TLS handshakes. The caller sees only a closed connection, so the log says why. */

interface HandshakeError extends Error {
  readonly code?: string;
  /** OpenSSL's text. */
  readonly reason?: string;
}

/** Logs callers of an HTTPS server whose handshake fails. */
export function logHandshakes(server: Server, { logger, now }: Pick<AppPorts, 'logger' | 'now'>): void {
  const complaint = throttled<object>(now, (fields, suppressed) =>
    logger.warn({ ...fields, suppressed }, 'caller turned away'),
  );
  /** Node has no address for a closed connection. */
  const addresses = new WeakMap<Socket, string | undefined>();
  server.on('connection', (socket: Socket) => addresses.set(socket, socket.remoteAddress));
  server.on('tlsClientError', (error: HandshakeError, tls: TLSSocket) => {
    // The underlying socket. Only it has Node's error detail; the types omit it.
    const socket = (tls as { readonly _parent?: Socket })._parent;
    const address = socket === undefined ? tls.remoteAddress : addresses.get(socket);
    const fields = { address, code: codeOf(error, tls), detail: detailOf(error, tls) };
    // Connected and gone, as load balancers and probes do.
    if (socket?.bytesRead === 0) logger.debug(fields, 'connection without a handshake');
    else complaint(fields);
  });
}

/** Why Node rejected the client certificate. Its error does not say. */
function refusalOf(tls: TLSSocket): string | undefined {
  return (tls.authorizationError as Error | string | null | undefined)?.toString();
}

function codeOf(error: HandshakeError, tls: TLSSocket): string | undefined {
  return refusalOf(tls) ?? error.code;
}

function detailOf(error: HandshakeError, tls: TLSSocket): string {
  if (refusalOf(tls) !== undefined) {
    return 'The client certificate is not signed by a CA in CUJ_GATE_TLS_CLIENT_CA_FILE, or expired.';
  }
  switch (error.code) {
    case 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE':
      return 'The caller sent no client certificate.';
    case 'ERR_SSL_HTTP_REQUEST':
      return 'The caller sent plain HTTP to an HTTPS port.';
    case 'ERR_TLS_HANDSHAKE_TIMEOUT':
      return 'The handshake timed out.';
    case 'ECONNRESET':
      return "The caller aborted the handshake; check that it trusts the gate's certificate.";
    default:
      return visible(`The handshake failed: ${(error.reason ?? error.message).slice(0, 200)}.`);
  }
}
