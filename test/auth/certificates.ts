import { generate } from 'selfsigned';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A new certificate for 127.0.0.1, self-signed or signed by `ca`. */
export async function certificate(
  name: string,
  options: { ca?: Certificate; notAfter?: Date } = {},
): Promise<Certificate> {
  const { ca, notAfter = new Date(Date.now() + 86_400_000) } = options;
  const made = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Math.min(Date.now(), notAfter.getTime()) - 86_400_000),
    notAfterDate: notAfter,
    extensions: [
      { name: 'basicConstraints', cA: ca === undefined },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
    ...(ca === undefined ? {} : { ca }),
  });
  return { cert: made.cert, key: made.private };
}
