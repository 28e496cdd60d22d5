import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { visible } from '../../domain/outside-text.ts';
import { throttled } from '../auth/authenticate.ts';
import type { AppPorts } from './ports.ts';

/** Failed handshakes. The caller sees only a closed connection, so the log has to say why. */

interface HandshakeError extends Error {
  readonly code?: string;
  /** OpenSSL's own words. */
  readonly reason?: string;
}

/** Logs the callers of an HTTPS server that get no connection, as those are logged that get no answer. */
export function logHandshakes(server: Server, { logger, now }: Pick<AppPorts, 'logger' | 'now'>): void {
  const complaint = throttled<object>(now, (fields, suppressed) =>
    logger.warn({ ...fields, suppressed }, 'caller turned away'),
  );
  /** Of a connection that is closed by now Node no longer tells it. */
  const addresses = new WeakMap<Socket, string | undefined>();
  server.on('connection', (socket: Socket) => addresses.set(socket, socket.remoteAddress));
  server.on('tlsClientError', (error: HandshakeError, tls: TLSSocket) => {
    // The connection below: of it alone Node says what was sent. The type does not know it.
    const socket = (tls as { readonly _parent?: Socket })._parent;
    const address = socket === undefined ? tls.remoteAddress : addresses.get(socket);
    const fields = { address, code: codeOf(error, tls), detail: detailOf(error, tls) };
    // Connected and gone, as load balancers and probes do.
    if (socket?.bytesRead === 0) logger.debug(fields, 'connection without a handshake');
    else complaint(fields);
  });
}

/** Node refuses a certificate by closing the connection; why is said elsewhere. */
function refusalOf(tls: TLSSocket): string | undefined {
  return (tls.authorizationError as Error | string | null | undefined)?.toString();
}

function codeOf(error: HandshakeError, tls: TLSSocket): string | undefined {
  return refusalOf(tls) ?? error.code;
}

function detailOf(error: HandshakeError, tls: TLSSocket): string {
  if (refusalOf(tls) !== undefined) {
    return 'The certificate of the caller is not one that CUJ_GATE_TLS_CLIENT_CA_FILE vouches for now.';
  }
  switch (error.code) {
    case 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE':
      return 'The caller shows no client certificate.';
    case 'ERR_SSL_HTTP_REQUEST':
      return 'The caller speaks plain HTTP; this port speaks HTTPS.';
    case 'ERR_TLS_HANDSHAKE_TIMEOUT':
      return 'The handshake did not come in time.';
    case 'ECONNRESET':
      return "The caller broke the handshake off: does it trust the gate's certificate?";
    default:
      return visible(`The handshake failed: ${(error.reason ?? error.message).slice(0, 200)}.`);
  }
}
