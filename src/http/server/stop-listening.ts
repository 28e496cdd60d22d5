import type { Server } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import type { SocketErrors } from './socket-errors.ts';

/** However many come, a server must end. */
const limitMs = 500;

/**
 * Ends listening. The system accepts connections by itself and hands them over one at a time, a turn of the event loop
 * each: under load dozens are connected, have sent their request and wait. Closing the socket resets them. So they are
 * taken over first. No answer is begun meanwhile, which keeps the turns short, and keeps those who wait for an answer
 * from coming again.
 */
export async function stopListening(server: Server, { hold }: Pick<SocketErrors, 'hold'>): Promise<void> {
  if (!server.listening) return;
  let accepted = 0;
  const count = () => {
    accepted += 1;
  };
  server.on('connection', count);
  const release = hold();
  const until = performance.now() + limitMs;
  // Two turns: the request of the last one accepted is read in the second.
  for (let quiet = 0; quiet < 2 && performance.now() < until; ) {
    const before = accepted;
    await turn();
    quiet = accepted === before ? quiet + 1 : 0;
  }
  // Here, right after the turn has looked for connections and for requests on idle ones.
  server.close();
  server.off('connection', count);
  release();
}
