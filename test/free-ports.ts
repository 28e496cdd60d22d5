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
 * `count` loopback ports that are free, each of them given once in a run. Not those that the kernel gives out: between
 * this and the child's own listening, and while a child is down that shall come back on its port, it could give one to
 * somebody else, another run on this machine included.
 */
export async function freePorts(count: number): Promise<number[]> {
  const lowest = 10_000;
  const end = firstEphemeral();
  const ports: number[] = [];
  // Bounded: where nothing may listen on loopback, trying on would never end.
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
