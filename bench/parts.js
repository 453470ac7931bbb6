// The optional parts of group-api, each as a peer of bench.js that is compared with the server without it. `prepare` changes
// the peer's separate database, and returns its settings and `start`, which is called when the server runs and returns the
// function that ends what it has started.
import { once } from 'node:events';
import { createServer, get, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from './server.js';

const listenerCount = 10;
const idleListenerCount = 1000;
const scrapeMs = 5000;

/** Prometheus reads the metrics. */
const metrics = {
  name: 'metrics',
  does: 'metrics',
  async prepare() {
    const port = await findFreePort();
    return {
      settings: { METRICS_PORT: String(port) },
      start() {
        const scrape = () =>
          get({ host: '127.0.0.1', port, path: '/metrics' }, (response) => response.resume());
        const timer = setInterval(scrape, scrapeMs);
        return () => clearInterval(timer);
      },
    };
  },
};

/** A collector receives the traces of all requests, or of one in a hundred. */
const traces = (name, does, sampling) => ({
  name,
  does,
  async prepare() {
    const collector = createServer((message, response) => {
      message.resume();
      message.on('end', () => response.end('{}'));
    }).listen(0, '127.0.0.1');
    await once(collector, 'listening');
    return {
      settings: {
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.address().port}`,
        ...sampling,
      },
      start: () => () => collector.close(),
    };
  },
});
const sampled = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.01' };

/** Requests to NAS for sessions, of which the deleted groups have none. */
const radius = {
  name: 'radius',
  does: 'RADIUS=true',
  async prepare({ sql }) {
    await sql(`CREATE SCHEMA freeradius;
      CREATE TABLE freeradius.radacct (
        radacctid bigserial PRIMARY KEY, acctsessionid text NOT NULL, acctuniqueid text NOT NULL UNIQUE, username text,
        nasipaddress inet NOT NULL, acctstarttime timestamptz, acctstoptime timestamptz, framedipaddress inet);
      CREATE TABLE freeradius.nas (
        id serial PRIMARY KEY, nasname text NOT NULL, shortname text NOT NULL DEFAULT '', ports integer, secret text NOT NULL)`);
    return { settings: { RADIUS: 'true' }, start: () => undefined };
  },
};

/** All events go to one webhook and to ten subscriptions. */
const events = {
  name: 'events',
  does: `one webhook and ${listenerCount} listeners`,
  async prepare({ sql }) {
    const receiver = createServer((message, response) => {
      message.resume();
      message.on('end', () => response.writeHead(204).end());
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    await sql(
      `INSERT INTO webhook_endpoints (url, secret, cursor) VALUES ($1, 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', '0-0')`,
      [`http://127.0.0.1:${receiver.address().port}/`],
    );
    return {
      settings: { WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' },
      async start({ port }, headers) {
        const listeners = [];
        while (listeners.length < listenerCount) listeners.push(await listen(port, headers));
        return () => {
          for (const listener of listeners) listener.destroy();
          receiver.close();
        };
      },
    };
  },
};

/** Subscriptions to events that the load does not cause. */
const idleListeners = {
  name: 'idle-listeners',
  does: `${idleListenerCount} idle listeners`,
  prepare: async () => ({
    settings: {},
    async start({ port }, headers) {
      const listeners = [];
      while (listeners.length < idleListenerCount)
        listeners.push(await listen(port, headers, '(types: [SERVICE_GROUP_CREATED])'));
      return () => {
        for (const listener of listeners) listener.destroy();
      };
    },
  }),
};

async function listen(port, headers, filter = '') {
  const sent = request({
    host: '127.0.0.1',
    port,
    path: '/graphql',
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'application/json', Accept: 'text/event-stream' },
  });
  sent.end(JSON.stringify({ query: `subscription { groupEvents${filter} { type data } }` }));
  const [response] = await once(sent, 'response');
  // The server creates the account after it has begun to listen.
  if (response.statusCode === 401) {
    response.resume();
    await sleep(100);
    return listen(port, headers, filter);
  }
  if (response.statusCode !== 200) throw new Error(`groupEvents returned ${response.statusCode}`);
  response.on('error', () => undefined).resume();
  return response;
}

export const parts = [
  metrics,
  traces('traces', 'traces', {}),
  traces('sampled-traces', 'traces of 1 %', sampled),
  radius,
  events,
  idleListeners,
];
