import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, request } from 'undici';
import type { Loose } from '../kube.ts';
import type { ScenarioContext } from '../scenario.ts';

/** What the gate answered to one measurement. */
export interface Answer {
  /** When the controller asked, epoch ms. */
  readonly atMs: number;
  readonly tookMs: number;
  /** `/cujs/signup/status`. */
  readonly path: string;
  /** The answer's JSON. */
  readonly body: Loose;
}

/** Stands between the controller and a gate, and keeps every answer with its time. */
export interface Recorder {
  readonly url: string;
  readonly answers: readonly Answer[];
}

export async function startRecorder({ onEnd }: ScenarioContext, gateUrl: string): Promise<Recorder> {
  const answers: Answer[] = [];
  const agent = new Agent();
  const server = createServer(async (incoming, outgoing) => {
    const atMs = Date.now();
    const path = incoming.url ?? '';
    try {
      const { host: _, connection: __, ...headers } = incoming.headers;
      const answer = await request(gateUrl + path, { dispatcher: agent, headers });
      const text = await answer.body.text();
      const body = answer.statusCode === 200 ? JSON.parse(text) : { summary: `status ${answer.statusCode}` };
      answers.push({ atMs, tookMs: Date.now() - atMs, path, body });
      outgoing.writeHead(answer.statusCode, { 'content-type': 'application/json' }).end(text);
    } catch (error) {
      const summary = error instanceof Error ? error.message : String(error);
      answers.push({ atMs, tookMs: Date.now() - atMs, path, body: { summary } });
      outgoing.writeHead(502, { 'content-type': 'application/json' }).end(JSON.stringify({ summary }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onEnd(async () => {
    server.closeAllConnections();
    server.close();
    await agent.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, answers };
}
