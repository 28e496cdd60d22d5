import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A Service of Kubernetes: one address, and connections that go to its ready pods in turn, as kube-proxy passes them on. */
export interface ClusterService {
  readonly url: string;
  /** New connections may go to this pod from now on. */
  add(pod: { url: string }): void;
  /** New connections no longer go to it; those that it has stay. */
  remove(pod: { url: string }): void;
  stop(): Promise<void>;
}

export async function startService(): Promise<ClusterService> {
  const pods: string[] = [];
  const sockets = new Set<Socket>();
  let next = 0;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const pod = pods[next++ % pods.length];
    if (pod === undefined) return client.resetAndDestroy();
    const { hostname, port } = new URL(pod);
    const upstream = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.once('close', () => sockets.delete(from));
      // What one side sees, the other one sees as well: kube-proxy only translates addresses.
      from.on('error', () => to.resetAndDestroy());
      from.pipe(to);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    add: ({ url }) => void pods.push(url),
    remove({ url }) {
      if (pods.includes(url)) pods.splice(pods.indexOf(url), 1);
    },
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
      if (server.listening) await once(server, 'close');
    },
  };
}
