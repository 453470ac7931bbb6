// Measurements of group-api alone.
import { mkdtemp, rm } from 'node:fs/promises';
import { openBenchDatabase } from './database.js';
import { send, untilSuccessful } from './graphql-request.js';
import { median } from './median.js';
import { patient, peers } from './peers.js';
import { runCheckedLoad } from './run-load.js';
import { startPeer, stopPeers } from './server.js';
import { measureServers } from './servers.js';

const ours = patient(peers.find(({ name }) => name === 'ours'));
const postgraphile = peers.find(({ name }) => name === 'postgraphile');

/** Measures lists, searches, sizes, several servers and cold starts. */
export async function measureOurs({ plan, say }) {
  const database = await openBenchDatabase(plan.groups);
  try {
    return await measureOn(database, { plan, say });
  } finally {
    await stopPeers();
    await database.close();
  }
}

async function measureOn(database, { plan, say }) {
  let firstId = 1;
  const runLoad = async (server, connections, seconds, requests) => {
    const run = await runCheckedLoad(ours, [server], { firstId, connections, seconds, requests });
    firstId = run.lastId + 1;
    return run;
  };

  const server = await startPeer(ours, database.url);
  await runLoad(server, 64, plan.warmUpSeconds);
  const single = await runLoad(server, 1, plan.oneSeconds);
  const lists = await measureLists(server, firstId, say);
  firstId += lists.ids;
  const search = await measureSearch(server, database, say);
  await server.stop();

  const processes = await measureServers({ rounds: plan.rounds, seconds: plan.oneSeconds }, say);

  const sizes = {};
  for (const groups of plan.groups >= 1_000_000 ? [10_000, 10_000_000] : [10_000]) {
    const own = await openBenchDatabase(groups);
    try {
      const sized = await startPeer(ours, own.url);
      firstId = 1;
      // Fewer requests than the smaller table has groups.
      await runLoad(sized, 1, 2, 3000);
      sizes[groups] = (await runLoad(sized, 1, plan.oneSeconds, 6000)).p50;
      say(`${groups} groups  p50 ${sizes[groups].toFixed(2)} ms`);
    } finally {
      await stopPeers();
      await own.close();
    }
  }
  return { single, lists, search, processes, sizes, coldStart: await measureColdStart(database, say) };
}

/** Measures `deleteGroups` with a thousand ids. */
async function measureLists(server, firstId, say) {
  const query = 'mutation ($ids: [Int!]!) { deleteGroups (ids: $ids) { id name price } }';
  const times = [];
  for (let run = 0; run < 8; run++) {
    const ids = Array.from({ length: 1000 }, (_, index) => firstId + run * 1000 + index);
    const startedAt = performance.now();
    const { deleteGroups } = await send(server, query, { ids });
    times.push(performance.now() - startedAt);
    if (deleteGroups.map(({ id }) => id).join() !== ids.join())
      throw new Error('deleteGroups returned other groups');
  }
  const perSecond = 1000 / (median(times.slice(2)) / 1000);
  say(`deleteGroups of 1,000: ${perSecond.toFixed(0)} groups/s`);
  return { perSecond, ids: 8000 };
}

async function measureSearch(server, database, say) {
  const query =
    'query ($after: String) { searchGroups (first: 50, after: $after) { nodes { id name price } pageInfo { hasNextPage } } }';
  const [{ id }] = await database.sql('SELECT id FROM groups ORDER BY id OFFSET 49949 LIMIT 1');
  const cursor = Buffer.from(JSON.stringify(['ID', id, id])).toString('base64url');
  const measured = {};
  for (const [page, after] of [
    ['first', null],
    ['thousandth', cursor],
  ]) {
    const times = [];
    for (let run = 0; run < 120; run++) {
      const startedAt = performance.now();
      const { searchGroups } = await send(server, query, { after });
      times.push(performance.now() - startedAt);
      if (searchGroups.nodes.length !== 50) throw new Error('searchGroups did not return a full page');
    }
    measured[page] = median(times.slice(20));
    say(`searchGroups, ${page} page: ${measured[page].toFixed(2)} ms`);
  }
  return measured;
}

/**
 * From process start to the first response: group-api with its embedded PostgreSQL, PostGraphile with a running one.
 */
async function measureColdStart(database, say) {
  const folder = await mkdtemp('/var/tmp/group-api-cold-');
  const embedded = { ...ours, settings: { ...ours.settings, DATABASE_URL: '', DATA_DIR: folder } };
  const times = { ours: [], postgraphile: [] };
  for (let run = 0; run < 6; run++) {
    for (const [name, peer, query] of [
      ['ours', embedded, '{ registrationGroups { id } }'],
      ['postgraphile', postgraphile, '{ __typename }'],
    ]) {
      const server = await startPeer(peer, database.url);
      await untilSuccessful(server, query);
      // The first start creates the database.
      if (run > 0) times[name].push(performance.now() - server.startedAt);
      await server.stop();
    }
  }
  await rm(folder, { recursive: true, force: true });
  const result = { ours: median(times.ours), postgraphile: median(times.postgraphile) };
  say(`cold start: ours ${result.ours.toFixed(0)} ms, PostGraphile ${result.postgraphile.toFixed(0)} ms`);
  return result;
}
