import { randomInt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** Loopback ports for programs that must be told where to listen. */

/** The first port of the kernel's ephemeral range, used for listening on 0 and for outgoing connections. */
function firstEphemeral(): number {
  const range = '/proc/sys/net/ipv4/ip_local_port_range';
  return existsSync(range) ? Number.parseInt(readFileSync(range, 'utf8'), 10) : 32_768;
}

const handedOut = new Set<number>();

/**
 * `count` free loopback ports, each of them used once in a run. They are outside of the kernel's ephemeral range: the kernel
 * could give such a port to another process before the child listens on it, or while the child restarts.
 */
export async function freePorts(count: number): Promise<number[]> {
  const lowest = 10_000;
  const end = firstEphemeral();
  const ports: number[] = [];
  // Bounded: if no process may listen on loopback, the search would not end.
  for (let tries = 0; ports.length < count && tries < 1_000; tries += 1) {
    const port = randomInt(lowest, Math.max(end, lowest + 1_000));
    if (handedOut.has(port) || !(await isFree(port))) continue;
    handedOut.add(port);
    ports.push(port);
  }
  if (ports.length < count) throw new Error(`no free port found on 127.0.0.1 between ${lowest} and ${end}`);
  return ports;
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port as number;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
