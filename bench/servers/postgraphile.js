// PostGraphile 5, which makes the mutation of the table by itself.
import { createServer } from 'node:http';
import { grafserv } from 'postgraphile/grafserv/node';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { host, poolSize, port } from './schema.js';

const server = createServer();
const service = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [
    makePgService({
      connectionString: process.env.DATABASE_URL,
      schemas: ['public'],
      poolConfig: { max: poolSize },
    }),
  ],
  grafserv: { graphiql: false, watch: false },
}).createServ(grafserv);
await service.addTo(server);
server.listen(port, host);
