import { afterEach, beforeAll, expect } from '@jest/globals';
import { createAccountingDatabase, openNas, openSession, type NasRequest, type TestNas } from './nas.ts';
import { useTestApp, type TestApp } from './test-app.ts';
import { waitUntil } from './wait-until.ts';

/** An app that disconnects sessions at a NAS, with two groups. */
export type SessionApp = {
  readonly app: TestApp;
  readonly nas: TestNas;
  /** The ids of the groups, the first one of which has the postfix `@gold`. */
  readonly groups: { gold: number; silver: number };
  readonly subscribe: (username: string, groupId: number, startsAt?: string) => Promise<void>;
  /** Calls an operation that must succeed. */
  readonly call: (path: string, body: object) => Promise<void>;
  /** Returns the requests, once all events so far are read and all deliveries are finished. */
  readonly readRequests: () => Promise<readonly NasRequest[]>;
  /** Returns the user names of the requests, sorted. */
  readonly readUsers: () => Promise<string[]>;
};

/** Opens the app for all tests of the file. Each test starts without sessions, subscribers and requests. */
export async function useSessionApp(): Promise<SessionApp> {
  const nas = await openNas();
  const app = useTestApp({ RADIUS: true, RADIUS_COA_PORT: nas.port }, () => createAccountingDatabase([nas]));
  const groups = { gold: 0, silver: 0 };
  beforeAll(async () => {
    groups.gold = await app.createGroup({ name: 'Gold', usernamePostfix: '@gold', downloadUpload: '100/50' });
    groups.silver = await app.createGroup({ name: 'Silver', downloadUpload: '10/5' });
  });
  afterEach(async () => {
    await app.sql('DELETE FROM freeradius.radacct; DELETE FROM radius_deliveries; DELETE FROM subscribers');
    nas.requests.length = 0;
  });
  const subscribe = async (username: string, groupId: number, startsAt?: string) => {
    expect((await app.post('/subscribe', { username, groupId, startsAt })).status).toBe(200);
  };
  const call = async (path: string, body: object) => {
    const { status, body: answer } = await app.post(path, body);
    expect([status, answer.errors]).toStrictEqual([200, undefined]);
  };
  let lastCount = 0;
  const readRequests = async (): Promise<readonly NasRequest[]> => {
    // An event that concerns the session of this user, so that those before it are done with it.
    const last = `last ${++lastCount}`;
    await openSession(app, last);
    await subscribe(last, groups.silver);
    await call('/removeUserSubscription', { username: last });
    const isLast = ({ attributes }: NasRequest) => attributes['User-Name']!.startsWith('last ');
    await waitUntil(() => nas.requests.some(({ attributes }) => attributes['User-Name'] === last));
    await waitUntil(
      async () => (await app.sql(`SELECT FROM radius_deliveries WHERE status = 'pending'`)).length === 0,
    );
    return nas.requests.filter((request) => !isLast(request));
  };
  const readUsers = async () =>
    (await readRequests()).map(({ attributes }) => attributes['User-Name']!).toSorted();
  return { app, nas, groups, subscribe, call, readRequests, readUsers };
}
