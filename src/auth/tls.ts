import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { FilesRefused } from '../files/watched-files.ts';

/** The options of a TLS server, and of `setSecureContext`. */
export interface TlsCredentials {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** The CAs that sign the certificates of callers. */
  readonly ca?: Buffer;
  readonly minVersion: 'TLSv1.2';
  /** Epoch ms at which the first certificate of the file expires. */
  readonly expiresAtMs: number;
}

export interface TlsPaths {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string | undefined;
}

/** The paths, in the order of the contents that `readTls` expects. */
export function tlsPaths({ certFile, keyFile, clientCaFile }: TlsPaths): string[] {
  return [certFile, keyFile, ...(clientCaFile === undefined ? [] : [clientCaFile])];
}

/** Checks that certificate, key and CA are valid and belong together. Throws FilesRefused. */
export function readTls(paths: TlsPaths, contents: readonly Buffer[]): TlsCredentials {
  const { certFile, keyFile, clientCaFile } = paths;
  const [cert, key, ca] = contents as [Buffer, Buffer, Buffer | undefined];
  const certificate = certificateOf(certFile, cert);
  if (ca !== undefined) certificateOf(clientCaFile as string, ca);
  const credentials = {
    cert,
    key,
    ...(ca === undefined ? {} : { ca }),
    minVersion: 'TLSv1.2',
  } as const;
  try {
    createSecureContext(credentials);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' || code === 'ERR_OSSL_X509_KEY_TYPE_MISMATCH'
        ? `${keyFile} is not the key of the certificate in ${certFile}: use a matching pair.`
        : `${certFile} and ${keyFile} are invalid (${code ?? 'no reason given'}): both must be PEM, the key without a passphrase.`;
    throw new FilesRefused([why]);
  }
  return { ...credentials, expiresAtMs: Date.parse(certificate.validTo) };
}

function certificateOf(path: string, bytes: Buffer): X509Certificate {
  try {
    return new X509Certificate(bytes);
  } catch {
    throw new FilesRefused([`${path} contains no certificate in PEM.`]);
  }
}
