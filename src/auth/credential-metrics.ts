import { Counter, Gauge, type Registry } from 'prom-client';

/** Kinds of credentials that are read from files. */
export type CredentialKind = 'tokens' | 'tls';

export interface CredentialMetrics {
  /** Counts a change of the files that was refused. */
  refused(kind: CredentialKind): void;
  keysFailed(): void;
}

/** Registers metrics about credentials: refused changes, failed key fetches, and when the certificate expires. */
export function createCredentialMetrics(
  metrics: Registry,
  /** Epoch ms; undefined without TLS. */
  certificateExpiresAtMs: () => number | undefined,
): CredentialMetrics {
  const registers = [metrics];
  const refused = new Counter({
    name: 'cuj_gate_credential_reload_errors_total',
    help: 'Changes of the token file or of the TLS files that were refused because they were invalid.',
    labelNames: ['credential'],
    registers,
  });
  const failed = new Counter({
    name: 'cuj_gate_jwks_fetch_errors_total',
    help: 'Times that the keys of an OpenID issuer could not be fetched.',
    registers,
  });
  new Gauge({
    name: 'cuj_gate_tls_certificate_expiry_timestamp_seconds',
    help: "When the gate's TLS certificate expires, in seconds since the epoch; absent without TLS.",
    registers,
    collect() {
      this.reset();
      const atMs = certificateExpiresAtMs();
      if (atMs === undefined) this.remove();
      else this.set(atMs / 1000);
    },
  });
  for (const credential of ['tokens', 'tls'] as const) refused.inc({ credential }, 0);
  return {
    refused: (credential) => refused.inc({ credential }),
    keysFailed: () => failed.inc(),
  };
}
