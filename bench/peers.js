// The measured servers, and the request for each.
import { fileURLToPath } from 'node:url';
import { twelveFields } from './group-row.js';
import { parts } from './parts.js';

export const adminKey = 'a-key-for-the-bench-of-forty-characters-';

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const query = `mutation deleteGroup ($id: Int!) { deleteGroup (id: $id) { ${twelveFields} } }`;
const plain = { path: '/graphql', headers: {}, query, resultPath: ['data', 'deleteGroup'], settings: {} };
const asOurs = {
  headers: { 'X-APIKEY': adminKey },
  settings: { ADMIN_API_KEY: adminKey },
  // As `npm start` and the container.
  nodeOptions: ['--max-semi-space-size=64'],
};

/** `isAudited`: archives and audits what it deletes. `isConstant`: deletes nothing. */
export const peers = [
  {
    ...plain,
    ...asOurs,
    name: 'ours',
    title: 'group-api',
    script: file('../dist/main.js'),
    isAudited: true,
    does: 'guard, archive, audit, accounts, log',
  },
  // group-api with one of its optional parts.
  ...parts.map((part) => ({
    ...plain,
    ...asOurs,
    ...part,
    title: `group-api, ${part.does}`,
    script: file('../dist/main.js'),
    isAudited: true,
  })),
  {
    ...plain,
    name: 'careful',
    title: 'Apollo + Prisma, interactive transaction',
    script: file('servers/apollo-prisma-careful.js'),
    does: 'guard, archive, audit',
    isAudited: true,
  },
  {
    ...plain,
    name: 'apollo',
    title: 'Apollo + Prisma',
    script: file('servers/apollo-prisma-bare.js'),
    does: 'bare delete',
  },
  {
    ...plain,
    name: 'yoga',
    title: 'GraphQL Yoga + Prisma',
    script: file('servers/yoga-prisma-bare.js'),
    does: 'bare delete',
  },
  {
    ...plain,
    name: 'postgraphile',
    title: 'PostGraphile 5',
    script: file('servers/postgraphile.js'),
    does: 'bare delete',
    query: `mutation ($id: Int!) { deleteGroupByRowId (input: { rowId: $id }) { group { ${twelveFields.replace('id', 'id: rowId')} } } }`,
    resultPath: ['data', 'deleteGroupByRowId', 'group'],
  },
  {
    ...plain,
    name: 'mercurius',
    title: 'Mercurius + JIT + pg',
    script: file('servers/mercurius-bare.js'),
    does: 'bare delete',
  },
  {
    ...plain,
    name: 'statement',
    title: 'Mercurius + JIT + pg, our statement',
    script: file('servers/mercurius-statement.js'),
    does: 'guard, archive, audit',
    isAudited: true,
  },
  {
    ...plain,
    name: 'yoga-statement',
    title: 'GraphQL Yoga + pg, our statement',
    script: file('servers/yoga-statement.js'),
    does: 'guard, archive, audit',
    isAudited: true,
  },
  {
    ...plain,
    name: 'fastify',
    title: 'Fastify + pg, no GraphQL',
    script: file('servers/fastify-pg.js'),
    does: 'bare delete: a limit',
    path: '/deleteGroup',
    query: undefined,
    resultPath: ['result'],
  },
  {
    ...plain,
    ...asOurs,
    name: 'ceiling',
    title: 'group-api with a constant resolver',
    script: file('servers/ceiling.js'),
    does: 'nothing: a limit',
    isConstant: true,
  },
  {
    ...plain,
    name: 'node',
    title: 'node:http',
    script: file('servers/node-http.js'),
    does: 'nothing: a limit',
    isConstant: true,
  },
];

/** Returns our server with no limit on the event-loop delay, which other programs of a busy machine cause too. */
export const patient = (peer) => ({
  ...peer,
  settings: { ...peer.settings, MAX_EVENT_LOOP_DELAY_MS: '60000' },
});
