import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export interface ApiComment {
  readonly id: number;
  body: string;
  readonly user: { readonly login: string; readonly type: 'Bot' | 'User' };
  readonly html_url: string;
}

/** GitHub's REST API for comments on an issue, as far as the action uses it, on loopback. */
export interface GithubApi {
  readonly url: string;
  readonly comments: ApiComment[];
  /** `METHOD path` of every request. */
  readonly requests: string[];
  /** The answer to the next requests instead of the usual one; undefined: the usual one. */
  respond: (request: string) => number | undefined;
  /** Who the token belongs to; a workflow's token cannot ask. */
  user: string | undefined;
  addComment(body: string, by?: ApiComment['user']): void;
  stop(): Promise<void>;
}

export const bot = { login: 'github-actions[bot]', type: 'Bot' } as const;

export async function startGithubApi(token: string): Promise<GithubApi> {
  const api: Omit<GithubApi, 'url' | 'stop'> = {
    comments: [],
    requests: [],
    respond: () => undefined,
    user: undefined,
    addComment(body, by = bot) {
      const id = api.comments.length + 1_000;
      const html_url = `https://github.com/example/shop/pull/7#issuecomment-${id}`;
      api.comments.push({ id, body, user: by, html_url });
    },
  };
  const answer = async (request: IncomingMessage): Promise<readonly [number, unknown]> => {
    const line = `${request.method} ${request.url}`;
    api.requests.push(line);
    const forced = api.respond(line);
    if (forced !== undefined) return [forced, { message: 'forced' }];
    if (request.headers.authorization !== `Bearer ${token}`) return [401, { message: 'Bad credentials' }];
    const { pathname, searchParams } = new URL(request.url as string, 'http://loopback');
    if (line === 'GET /user')
      return api.user === undefined
        ? [403, { message: 'Resource not accessible by integration' }]
        : [200, { login: api.user }];
    if (request.method === 'GET' && pathname === '/repos/example/shop/issues/7/comments') {
      const [size, page] = [
        Number(searchParams.get('per_page') ?? 30),
        Number(searchParams.get('page') ?? 1),
      ];
      return [200, api.comments.slice((page - 1) * size, page * size)];
    }
    const { body } = (await json(request)) as { body: string };
    if (body.length > 65_536) return [422, { message: 'body is too long' }];
    const by = api.user === undefined ? bot : ({ login: api.user, type: 'User' } as const);
    if (line === 'POST /repos/example/shop/issues/7/comments') {
      api.addComment(body, by);
      return [201, api.comments.at(-1)];
    }
    const [, id] = /^PATCH \/repos\/example\/shop\/issues\/comments\/(\d+)$/.exec(line) ?? [];
    const comment = api.comments.find((one) => one.id === Number(id));
    if (comment === undefined) return [404, { message: 'Not Found' }];
    comment.body = body;
    return [200, comment];
  };
  const server = createServer((request, response) => {
    answer(request).then(([status, value]) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(api, {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
