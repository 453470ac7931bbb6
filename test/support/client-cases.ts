import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createProbes, future } from './probes.ts';
import { openTestApp, testKey, type TestApp } from './test-app.ts';

type GroupClient = {
  /** Throws what the client makes of a refusal. */
  deleteGroup(
    id: number,
    idempotencyKey: string,
  ): Promise<{
    readonly group: { readonly id: number; readonly name: string; readonly price: string };
    readonly isReplayed: boolean;
  }>;
};

/** An example of a GraphQL client, as docs/clients.md shows it. */
type Example = {
  readonly createGroupClient: (url: string, apiKey: string) => GroupClient;
  readonly readRefusal: (error: unknown) => object | undefined;
};

/** The media type that a client which knows it gets, whatever the status. */
const mediaType = 'application/graphql-response+json; charset=utf-8';

/** Declares the tests that every example of a client passes, at both doors. */
export function testGroupClient({ createGroupClient, readRefusal }: Example): void {
  let app: TestApp;
  const { groupRow, readState, subscribe } = createProbes(() => app);
  beforeAll(async () => {
    app = await openTestApp();
  });
  afterAll(() => app.close());

  /** What came over the wire: the client itself is left as it is. */
  let responses: { status: number; type: string | null }[];
  beforeEach(() => {
    responses = [];
    const { fetch } = globalThis;
    jest.spyOn(globalThis, 'fetch').mockImplementation(async (...request) => {
      const response = await fetch(...request);
      responses.push({ status: response.status, type: response.headers.get('content-type') });
      return response;
    });
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  describe.each(['/graphql', '/deleteGroup'])('at %s', (door) => {
    /** The status of a refusal, which depends on the door. */
    const statusAtDoor = (status: number) => (door === '/graphql' ? 200 : status);
    const clientWith = (apiKey: string) => createGroupClient(app.httpUrl + door, apiKey);

    const refusalOf = async (client: GroupClient, id: number): Promise<object | undefined> => {
      responses = [];
      const error: unknown = await client.deleteGroup(id, `${door} ${id}`).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      return readRefusal(error);
    };

    test('deletes the group and leaves the others; the same call again gets the same answer, marked as such', async () => {
      const [id, other] = [await app.createGroup(), await app.createGroup()];
      const client = clientWith(testKey);
      const group = { id, name: 'Plain', price: '9.90' };
      responses = [];

      expect(await client.deleteGroup(id, `delete ${id}`)).toMatchObject({ group, isReplayed: false });
      const state = await readState();
      expect(await groupRow(id)).toStrictEqual([]);
      expect(await groupRow(other)).toHaveLength(1);

      expect(await client.deleteGroup(id, `delete ${id}`)).toMatchObject({ group, isReplayed: true });
      expect(await readState()).toStrictEqual(state);
      expect(responses).toStrictEqual([
        { status: 200, type: mediaType },
        { status: 200, type: mediaType },
      ]);
    });

    test('reads that there is no such group', async () => {
      const before = await readState();
      expect(await refusalOf(clientWith(testKey), 999_999)).toStrictEqual({ code: 'NOT_FOUND' });
      expect(responses).toStrictEqual([{ status: statusAtDoor(404), type: mediaType }]);
      expect(await readState()).toStrictEqual(before);
    });

    test('reads how many subscribers the group has, and nothing is deleted', async () => {
      const id = await app.createGroup();
      for (const username of ['mina', 'omid']) await subscribe(id, username, { expiresAt: future });
      const before = await readState();
      expect(await refusalOf(clientWith(testKey), id)).toStrictEqual({
        code: 'HAS_ACTIVE_SUBSCRIBERS',
        subscriberCount: 2,
      });
      expect(responses).toStrictEqual([{ status: statusAtDoor(409), type: mediaType }]);
      expect(await readState()).toStrictEqual(before);
    });

    test('reads that its key is wrong, and nothing is deleted', async () => {
      const id = await app.createGroup();
      const before = await readState();
      expect(await refusalOf(clientWith('a-wrong-key'), id)).toStrictEqual({ code: 'UNAUTHENTICATED' });
      expect(responses).toStrictEqual([{ status: 401, type: mediaType }]);
      expect(await readState()).toStrictEqual(before);
    });

    test('reads which argument is wrong', async () => {
      expect(await refusalOf(clientWith(testKey), 0)).toStrictEqual({
        code: 'BAD_USER_INPUT',
        argument: 'id',
      });
      expect(responses).toStrictEqual([{ status: statusAtDoor(400), type: mediaType }]);
    });
  });
}
