import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createSchema } from '../../src/graphql/schema.ts';
import { bin, cwd } from '../support/command-line.ts';
import { openCuttingProxy, type CuttingProxy, type Fault } from '../support/cutting-proxy.ts';
import { openSecondConnection } from '../support/second-connection.ts';
import { future } from '../support/probes.ts';
import { openTestApp, plainGroup, type Json, type TestApp } from '../support/test-app.ts';
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts';

// The server connects through a proxy; the tests read the database directly.
let database: TestDatabase;
let proxy: CuttingProxy;
let app: TestApp;
beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await openCuttingProxy(database.url);
  app = await openTestApp({}, { ...database, url: proxy.url });
});
afterAll(async () => {
  proxy.restore();
  await app.close();
  await proxy.close();
});

const createNumberGroup = async () =>
  (await app.post('/api/v4/autodialer/groups/add', { name: 'n', numbers: ['1', '2'] })).body.data._id;
const createServiceGroup = async () =>
  (await app.post('/createServiceGroup', { serviceGroup: { name: 'S' } })).body.data.createServiceGroup.id;

/** Each mutation: its path, and how its arguments are created. */
const operations: Readonly<Record<string, () => Promise<object>>> = {
  createGroup: async () => ({ group: { ...plainGroup, serviceGroupId: await createServiceGroup() } }),
  editGroup: async () => ({ id: await app.createGroup(), group: { name: 'E' } }),
  deleteGroup: async () => ({ id: await app.createGroup({ serviceGroupId: await createServiceGroup() }) }),
  deleteGroups: async () => ({ ids: [await app.createGroup(), await app.createGroup()] }),
  restoreGroup: async () => {
    const id = await app.createGroup();
    await app.post('/deleteGroup', { id });
    return { id };
  },
  retireGroup: async () => ({ id: await app.createGroup(), at: future }),
  cancelRetirement: async () => {
    const id = await app.createGroup();
    await app.post('/retireGroup', { id, at: future });
    return { id };
  },
  purgeDeletedGroup: async () => {
    const id = await app.createGroup();
    await app.post('/deleteGroup', { id });
    return { id };
  },
  subscribe: async () => ({ username: 'ali', groupId: await app.createGroup() }),
  removeUserSubscription: async () => {
    const groupId = await app.createGroup();
    await app.post('/subscribe', { username: 'ali', groupId });
    return { username: 'ali', groupId };
  },
  moveSubscribers: async () => {
    const fromGroupId = await app.createGroup();
    await app.post('/subscribe', { username: 'ali', groupId: fromGroupId });
    return { fromGroupId, toGroupId: await app.createGroup() };
  },
  createServiceGroup: async () => ({ serviceGroup: { name: 'S' } }),
  editServiceGroup: async () => ({ id: await createServiceGroup(), serviceGroup: { name: 'E' } }),
  deleteServiceGroup: async () => ({ id: await createServiceGroup() }),
};
const services: Readonly<Record<string, () => Promise<object>>> = {
  add: async () => ({ name: 'n', numbers: ['1', '2'] }),
  update: async () => ({ _id: await createNumberGroup(), numbers: ['3'] }),
  remove: async () => ({ _id: await createNumberGroup() }),
};
const pathOf = (name: string) => (name in services ? `/api/v4/autodialer/groups/${name}` : `/${name}`);

test('every mutation of the schema has a case', () => {
  const mutations = Object.keys(createSchema().getMutationType()!.getFields());
  expect(Object.keys(operations).toSorted()).toStrictEqual(mutations.toSorted());
});

type Outcome = 'done' | 'not done' | 'unknown';
/** The outcome that a response reports. */
function claimOf({ status, body }: { status: number; body: Json }): Outcome {
  if (status === 200) return 'done';
  const message = body.message ?? body.errors[0].message;
  return /unknown whether/.test(message) ? 'unknown' : 'not done';
}

const faults: Readonly<Record<Exclude<Fault, 'away after reply'>, Outcome>> = {
  'reply lost': 'done',
  'all cut': 'done',
  'away for a moment': 'done',
  away: 'unknown',
  'not sent': 'not done',
};

/** Retries a preparation, since connections that the previous case has cut are being replaced. */
async function retry<T>(work: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 60_000; ;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

describe.each(Object.keys({ ...operations, ...services }))('%s', (name) => {
  test.each(Object.entries(faults))(
    '%s: the response is correct about whether it was executed',
    async (fault, claim) => {
      // A connection that the previous case has cut may fail before the commit: the case is repeated until it meets
      // its fault.
      const { answer, requestId } = await retry(async () => {
        const args = await { ...operations, ...services }[name]!();
        const headers = { 'X-Request-Id': randomUUID() };
        let isMet = false;
        void proxy.cutNextCommit(fault as Fault).then(() => (isMet = true));
        const response = await app.post(pathOf(name), args, headers);
        proxy.restore();
        if (!isMet) throw new Error(JSON.stringify(response.body));
        return { answer: response, requestId: headers['X-Request-Id'] };
      });

      expect(claimOf(answer)).toBe(claim);
      expect([200, 503]).toContain(answer.status);
      const entries = await database.sql('SELECT outcome FROM audit_events WHERE request_id = $1', [
        requestId,
      ]);
      const isDone = entries.some(({ outcome }) => outcome === 'done');
      expect(isDone).toBe(claim !== 'not done');
      if (claim === 'done' && name in operations) {
        expect(answer.body.errors).toBeUndefined();
        expect(answer.body.data[name]).not.toBeNull();
      }
    },
  );
});

test('an update whose numbers cannot be read after its commit is reported as done, with 503 and no part of the response', async () => {
  const _id = await retry(createNumberGroup);
  const headers = { 'X-Request-Id': randomUUID(), 'Idempotency-Key': randomUUID() };
  const update = () => app.post(pathOf('update'), { _id, name: 'new' }, headers);
  void proxy.cutNextCommit('away after reply');
  const { status, body } = await update();
  proxy.restore();
  expect([status, body]).toStrictEqual([
    503,
    {
      success: 0,
      message:
        'The group was updated, but the database is unavailable, so that its numbers cannot be returned. Repeat the call later to get them',
      data: '',
    },
  ]);
  const entries = 'SELECT outcome FROM audit_events WHERE request_id = $1 ORDER BY id';
  expect(await database.sql(entries, [headers['X-Request-Id']])).toStrictEqual([{ outcome: 'done' }]);
  const repeated = await retry(async () => {
    const answer = await update();
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
    return answer;
  });
  expect(repeated.body).toMatchObject({ success: 1, data: { name: 'new', numbers: ['1', '2'], count: 2 } });
});

test('of 64 deletes that share statements, each committed one returns success', async () => {
  const ids = await retry(() => Promise.all(Array.from({ length: 64 }, () => app.createGroup())));
  for (let round = 0; round < 4; round++) {
    const mine = ids.splice(0, 16);
    void proxy.cutNextCommit('reply lost');
    const answers = await Promise.all(mine.map((id) => app.post('/deleteGroup', { id })));
    proxy.restore();
    const left = (await database.sql('SELECT id FROM groups WHERE id = ANY ($1)', [mine])).map(
      ({ id }) => id,
    );
    const done = mine.filter((_, index) => answers[index]!.status === 200);
    expect(done).toStrictEqual(mine.filter((id) => !left.includes(id)));
    expect(answers.every(({ status }) => status === 200 || status === 503)).toBe(true);
  }
});

test.each<Fault>(['not sent', 'reply lost'])(
  'a delete that is lost (%s) is not mistaken for an earlier one with its request id, whose group was restored since',
  async (fault) => {
    const id = await retry(() => app.createGroup());
    const headers = { 'X-Request-Id': randomUUID() };
    expect((await app.post('/deleteGroup', { id }, headers)).status).toBe(200);
    expect((await app.post('/restoreGroup', { id })).status).toBe(200);
    await app.post('/editGroup', { id, group: { name: 'Restored' } });

    void proxy.cutNextCommit(fault);
    const { status, body } = await app.post(
      '/deleteGroup',
      { query: 'mutation ($id: Int!) { deleteGroup(id: $id) { name } }', variables: { id } },
      headers,
    );
    proxy.restore();
    const rows = await database.sql('SELECT name FROM groups WHERE id = $1', [id]);
    expect([status, rows, body.data?.deleteGroup.name]).toStrictEqual(
      fault === 'not sent' ? [503, [{ name: 'Restored' }], undefined] : [200, [], 'Restored'],
    );
  },
);

test('a command that is stopped while its outcome is unknown reports that, not that nothing was changed', async () => {
  const id = await retry(() => app.createGroup());
  const locker = await openSecondConnection(database);
  await locker.lockGroup(id);
  const command = spawn(process.execPath, [bin, 'groups', 'delete', String(id), '--yes'], {
    cwd,
    env: { PATH: process.env['PATH'], DATABASE_URL: proxy.url },
  });
  let stderr = '';
  command.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(command, 'close');
  await locker.waitForBlocked();
  const isMet = proxy.cutNextCommit('away');
  await locker.close();
  await isMet;
  command.kill('SIGTERM');
  const [code] = await ended;
  proxy.restore();
  expect([code, stderr]).toStrictEqual([
    1,
    expect.stringContaining('it is unknown whether the change was made'),
  ]);
  expect(stderr).not.toContain('nothing was changed');
  expect(await database.sql('SELECT FROM groups WHERE id = $1', [id])).toStrictEqual([]);
});
