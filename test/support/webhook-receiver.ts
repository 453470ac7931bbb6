import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import type { Json } from './test-app.ts';

/** A request that a receiver got. */
export type Received = {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  /** The body as it was sent. */
  readonly text: string;
  readonly event: Json;
};

/** How a receiver responds; `hang` does not until `release`. */
export type Reply = { status: number; headers?: Record<string, string>; body?: string } | 'hang' | 'reset';

/** A receiver of webhooks on the loopback interface, in this process. */
export type WebhookReceiver = {
  readonly url: string;
  readonly received: Received[];
  /** The maximum number of requests that were open at a time. */
  readonly maxConcurrent: () => number;
  /** How it responds from now on. */
  reply: (request: Received) => Reply;
  /** Responds with 200 to the first request that hangs; returns whether there is one. */
  release(body?: string): boolean;
  close(): Promise<void>;
};

/** Opens a receiver that responds with 204, until `reply` is replaced. Port 0 is a free one. */
export async function openReceiver(address = '127.0.0.1', port = 0): Promise<WebhookReceiver> {
  const received: Received[] = [];
  const held: ((body: string) => void)[] = [];
  let open = 0;
  let maxConcurrent = 0;
  const server = createServer(async (request, response) => {
    maxConcurrent = Math.max(maxConcurrent, ++open);
    response.on('close', () => open--);
    const entry = await readRequest(request);
    received.push(entry);
    const reply = receiver.reply(entry);
    if (reply === 'hang') {
      held.push((body) => response.writeHead(200).end(body));
      return;
    }
    if (reply === 'reset') request.socket.destroy();
    else response.writeHead(reply.status, reply.headers).end(reply.body);
  });
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  const receiver: WebhookReceiver = {
    url: `http://${address}:${(server.address() as AddressInfo).port}/hooks`,
    received,
    maxConcurrent: () => maxConcurrent,
    reply: () => ({ status: 204 }),
    release(body = '') {
      const respond = held.shift();
      respond?.(body);
      return respond !== undefined;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}

async function readRequest(request: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return {
    method: request.method!,
    path: request.url!,
    headers: request.headers as Record<string, string>,
    text,
    event: JSON.parse(text),
  };
}

/** Verifies a request by the library of Standard Webhooks; throws if its signature is not right. */
export function verify(secret: string, { text, headers }: Received): Json {
  return new Webhook(secret).verify(text, headers);
}
