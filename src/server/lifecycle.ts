import type { AddressInfo } from 'node:net';
import { anyRegistryOf, environmentsIn } from '../domain/registry/model.ts';
import type { App } from '../http/server/app.ts';
import type { Settings } from '../settings/settings.ts';
import { compose, type Gate, type GateOverrides, RegistryRefused } from './compose.ts';
import { CredentialsRefused } from './compose-auth.ts';
import { createLogger, secretsOf, written } from './logger.ts';

/** Starts the server's process, and shuts it down gracefully. */

/** When connections are closed by force after the drain. Well within the 30 s of terminationGracePeriodSeconds. */
const closeLimitMs = 12_000;

/** The process, as the lifecycle uses it. Tests provide their own. */
export type ProcessPort = Pick<NodeJS.EventEmitter, 'on' | 'off'> & { exit(code: number): unknown };

/**
 * Wires a gate and listens. Throws RegistryRefused, CredentialsRefused, or the system's error where the address is not
 * available.
 */
export async function listen(
  settings: Settings,
  overrides: GateOverrides = {},
): Promise<{ gate: Gate; url: string; adminUrl: string | undefined }> {
  const gate = await compose(settings, overrides);
  try {
    await gate.app.listen({ host: settings.host, port: settings.port });
    if (gate.admin !== undefined && settings.access.adminPort !== undefined) {
      await gate.admin.listen({ host: settings.host, port: settings.access.adminPort });
    }
  } catch (error) {
    await gate.close();
    throw error;
  }
  return {
    gate,
    url: urlOf(gate.app, settings.access.tls === undefined ? 'http' : 'https'),
    adminUrl: gate.admin === undefined ? undefined : urlOf(gate.admin, 'http'),
  };
}

function urlOf(app: App, scheme: 'http' | 'https'): string {
  const { address, port, family } = app.server.address() as AddressInfo;
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/**
 * Serves until SIGTERM or SIGINT, then drains: readiness says no at once while everything is still answered, so that
 * endpoints are taken off the load balancers; then what is new is refused, what is under way is answered, and it
 * ends. A second signal ends it at once, but for the log's last lines. Returns the exit code.
 */
export async function serve(
  settings: Settings,
  port: ProcessPort,
  overrides: GateOverrides = {},
): Promise<number> {
  const logger = overrides.logger ?? createLogger(settings.logLevel, secretsOf(settings));
  // An uncaught error leaves the process in an unknown state: exit and let Kubernetes restart it.
  const dieOf = (message: string) => (error: Error) => {
    logger.fatal({ err: error }, message);
    void written(logger).then(() => port.exit(1));
  };
  port.on('uncaughtException', dieOf('uncaught exception'));
  port.on('unhandledRejection', dieOf('unhandled rejection'));
  const { gate, url, adminUrl } = await listen(settings, { ...overrides, logger });
  // Before the log says that it listens: who reads that may send a signal at once.
  const told = new Promise<void>((resolve) => {
    const first = () => {
      const second = () => void written(logger).then(() => port.exit(1));
      for (const signal of ['SIGTERM', 'SIGINT'] as const) {
        // In this order: a signal that arrives while there is no listener would end the process.
        port.on(signal, second);
        port.off(signal, first);
      }
      resolve();
    };
    port.on('SIGTERM', first);
    port.on('SIGINT', first);
  });
  const { registries, files } = gate.registry.current();
  const { cujs, services } = anyRegistryOf(registries);
  const environments = environmentsIn(registries);
  logger.info(
    {
      url,
      ...(adminUrl === undefined ? {} : { adminUrl }),
      digest: registries.digest,
      files,
      cujs: cujs.size,
      services: services.size,
      ...(environments.length === 0 ? {} : { environments }),
    },
    'listening',
  );
  if (isOpen(settings)) {
    logger.warn(
      { host: settings.host },
      'no authentication configured: anyone who can connect to this port can query verdicts',
    );
  }
  await told;
  gate.phase = 'draining';
  logger.info({ drainDelayMs: settings.drainDelayMs }, 'draining');
  await new Promise((resolve) => setTimeout(resolve, settings.drainDelayMs));
  await gate.stopListening();
  gate.phase = 'closing';
  logger.info('closing');
  const cut = setTimeout(() => {
    gate.app.server.closeAllConnections();
    gate.admin?.server.closeAllConnections();
  }, closeLimitMs);
  await gate.close();
  clearTimeout(cut);
  logger.info('ended');
  // Exit even if the reader of the log has stopped reading: otherwise the log would retry indefinitely.
  if (!(await written(logger))) port.exit(0);
  return 0;
}

/** Whether callers from other machines need no credentials. */
function isOpen({ host, access }: Settings): boolean {
  const loopback = host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host);
  return (
    !loopback &&
    access.tokensFile === undefined &&
    access.issuers.length === 0 &&
    access.tls?.clientCaFile === undefined
  );
}

/**
 * Why the gate did not start, as text for the user; undefined for an error of the program itself. `portOption`: the option that
 * the port was given by, where that is not the setting.
 */
export function refusal(error: unknown, settings: Settings, portOption?: string): string[] | undefined {
  if (error instanceof RegistryRefused) {
    const { problems, omitted } = error.result;
    return [
      `The registry ${settings.registry} is invalid:`,
      ...problems.flatMap(({ file, line, column, message, rule, fix }) => [
        `${file}:${line}:${column}: ${message} (${rule})`,
        `  fix: ${fix}`,
      ]),
      ...(omitted > 0 ? [`and ${omitted} more`] : []),
    ];
  }
  if (error instanceof CredentialsRefused) {
    return [`${error.what} are invalid:`, ...error.problems.map((problem) => `  ${problem}`)];
  }
  const { code, port = settings.port } = error as NodeJS.ErrnoException & { readonly port?: number };
  const at = `${settings.host}:${port}`;
  const setting = port === settings.access.adminPort ? 'CUJ_GATE_ADMIN_PORT' : 'PORT';
  if (code === 'EADDRINUSE') {
    const choose =
      portOption === undefined
        ? `Choose another ${setting}.`
        : `Choose another with ${portOption}, such as ${portOption} ${port < 65_535 ? port + 1 : port - 1}; ${portOption} 0 takes any free one.`;
    return [`${at} is in use by another process. ${choose}`];
  }
  if (code === 'EACCES')
    return [`This user may not listen on ${at}. Choose a ${portOption ?? setting} above 1023.`];
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return [`HOST=${settings.host} is not an address of this machine. Use 0.0.0.0 for all addresses.`];
  return undefined;
}
