import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Json } from './test-app.ts';

/** A span as a collector receives it by OTLP, with plain attributes. */
export type ReceivedSpan = {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  /** `1`: internal, `2`: server, `3`: client. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, Json>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** Whether its status is an error. */
  readonly isError: boolean;
  /** Since 1970, in nanoseconds. */
  readonly startTime: bigint;
};

/** A collector of traces on the loopback interface, in this process. */
export type TraceCollector = {
  readonly url: string;
  /** What it has received, as text. */
  readonly texts: string[];
  readonly spans: ReceivedSpan[];
  /** The attributes of the resource that was received last. */
  readonly resource: () => Readonly<Record<string, Json>>;
  close(): Promise<void>;
};

/** Opens a collector that accepts OTLP over HTTP, as JSON. */
export async function openCollector(): Promise<TraceCollector> {
  const texts: string[] = [];
  const spans: ReceivedSpan[] = [];
  let resource = {};
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    texts.push(text);
    for (const { resource: sender, scopeSpans } of JSON.parse(text).resourceSpans) {
      resource = readAttributes(sender.attributes);
      spans.push(...scopeSpans.flatMap((scope: Json) => scope.spans.map(readSpan)));
    }
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    texts,
    spans,
    resource: () => resource,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function readSpan(span: Json): ReceivedSpan {
  return {
    name: span.name,
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    kind: span.kind,
    attributes: readAttributes(span.attributes),
    links: (span.links ?? []).map(({ traceId, spanId }: ReceivedSpan) => ({ traceId, spanId })),
    isError: span.status.code === 2,
    startTime: BigInt(span.startTimeUnixNano),
  };
}

function readAttributes(attributes: Json[]): Record<string, Json> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, readValue(value)]));
}

function readValue(value: Json): Json {
  return value.arrayValue ? value.arrayValue.values.map(readValue) : Object.values(value)[0];
}

/** Returns the names of the spans below one, in the order of their start, indented by their depth. */
export function drawTree(spans: readonly ReceivedSpan[], { spanId, name }: ReceivedSpan, depth = 0): string {
  const children = spans
    .filter(({ parentSpanId }) => parentSpanId === spanId)
    .toSorted((one, other) => Number(one.startTime - other.startTime));
  return ['  '.repeat(depth) + name, ...children.map((child) => drawTree(spans, child, depth + 1))].join(
    '\n',
  );
}
