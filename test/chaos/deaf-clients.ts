import { connect, type Socket } from 'node:net';
import { type Draw, pick } from './draw.ts';

const paths = ['/metrics', '/openapi.json', '/cujs?pretty', '/cujs/like/status?version=v1.1.0&explain'];
const requests = 300;

/** Clients that pipeline requests and read no response. They stay connected until either side closes the connection. */
export class DeafClients {
  readonly #port: number;
  readonly #open = new Set<Socket>();
  count = 0;

  constructor(port: number) {
    this.#port = port;
  }

  come(draw: Draw): void {
    const socket = connect(this.#port, '127.0.0.1');
    socket.pause();
    socket.on('error', () => {});
    socket.on('close', () => this.#open.delete(socket));
    socket.write(`GET ${pick(draw, paths)} HTTP/1.1\r\nHost: gate\r\n\r\n`.repeat(requests));
    this.#open.add(socket);
    this.count += 1;
  }

  leave(): void {
    for (const socket of this.#open) socket.destroy();
  }
}
