import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CommonPorts } from '../server/ports.ts';
import type { Respond } from '../server/respond.ts';
import { pageText } from './layout.tsx';
import { inEnvironment, linkTo } from './page-context.ts';
import { htmlType, pageHeaders } from './page-headers.ts';
import { noPagePorts } from './page-ports.ts';

/** Where a person chooses the environment of a page. */
export function environmentsPage(
  { pages = noPagePorts, registry }: Pick<CommonPorts, 'pages' | 'registry'>,
  respond: Respond,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const { basePath } = pages;
  const names = registry()?.environments ?? [];
  const text = pageText({
    context: { basePath },
    title: 'Environments - cuj-gate',
    children: (
      <section aria-labelledby="environments">
        <h1 id="environments">Environments</h1>
        <p>The registry has {names.length} environments. Each is judged by its own traffic.</p>
        <ul>
          {names.map((name) => (
            <li key={name}>
              <a href={linkTo({ basePath }, inEnvironment(name, request.url))}>{name}</a>
            </li>
          ))}
        </ul>
      </section>
    ),
  });
  reply.headers(pageHeaders);
  return respond(request, reply, 200, htmlType, text);
}
