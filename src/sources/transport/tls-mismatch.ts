/** Why a connection failed where the scheme or the certificate is the reason, and not the network. */

/** What TLS says of bytes that are none of it; older versions of Node have it in the text only. */
const noTls = /wrong version number|packet length too long|record layer failure|http request/i;
const certificates =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_[A-Z_]+|CERT_[A-Z_]+|ERR_TLS_CERT_[A-Z_]+)$/;

export interface TlsMismatch {
  /** In the place of OpenSSL's words; undefined: those of the error are better. */
  readonly said: string | undefined;
  readonly hint: string;
}

/** Undefined where it is something else. `setting` holds the URL. */
export function tlsMismatchOf(
  code: string,
  { message }: { readonly message: string },
  setting: string,
): TlsMismatch | undefined {
  if ((code.startsWith('ERR_SSL_') || code === 'EPROTO') && noTls.test(message))
    return { said: 'it answers without TLS', hint: `Write http:// in ${setting}, or the port that has TLS.` };
  if (certificates.test(code))
    return {
      said: undefined,
      hint: `Its certificate is not accepted. Name a private CA in NODE_EXTRA_CA_CERTS, and in ${setting} the host that the certificate is of.`,
    };
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET')
    return {
      said: undefined,
      hint: `It closed the connection without an answer. If the port has TLS, write https:// in ${setting}. Otherwise it was restarted, or a proxy in between gave up.`,
    };
  return undefined;
}

/** Whether a page says that it wants TLS, as the servers of Go and nginx do. */
export function wantsTls(page: string): boolean {
  return /HTTP request (was sent )?to (an )?HTTPS (server|port)/i.test(page);
}
