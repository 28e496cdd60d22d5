import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const sane = /^[A-Za-z0-9._:/+=-]{1,128}$/;

/** The caller's X-Request-Id where it is one, else one of our own that no other replica makes. */
export function requestId(): (request: Pick<IncomingMessage, 'headers'>) => string {
  const replica = randomBytes(6).toString('hex');
  let count = 0;
  return ({ headers }) => {
    const given = headers['x-request-id'];
    if (typeof given === 'string' && sane.test(given)) return given;
    count += 1;
    return `${replica}-${count.toString(36)}`;
  };
}
