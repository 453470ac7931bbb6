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

type Refusal = {
  readonly what: string;
  readonly key: string;
  /** The status at `/graphql`, and at the operation's own path. */
  readonly statuses: readonly [number, number];
  readonly extensions: Readonly<Record<string, unknown>>;
  /** Answers the id of a group that the client asks to delete. */
  readonly prepare: (app: TestApp) => Promise<number>;
};

/** What every client has to make of a delete that is refused. */
export const refusals: readonly Refusal[] = [
  {
    what: 'there is no such group',
    key: testKey,
    statuses: [200, 404],
    extensions: { code: 'NOT_FOUND' },
    prepare: async () => 999_999,
  },
  {
    what: 'the group has active subscribers',
    key: testKey,
    statuses: [200, 409],
    extensions: { code: 'HAS_ACTIVE_SUBSCRIBERS', subscriberCount: 2 },
    prepare: async (app) => {
      const groupId = await app.createGroup();
      for (const username of ['mina', 'omid'])
        await app.post('/subscribe', { groupId, username, expiresAt: future });
      return groupId;
    },
  },
  {
    what: 'the id is no id',
    key: testKey,
    statuses: [200, 400],
    extensions: { code: 'BAD_USER_INPUT', argument: 'id' },
    prepare: async () => 0,
  },
  {
    what: 'the key is wrong',
    key: 'a-wrong-key',
    statuses: [401, 401],
    extensions: { code: 'UNAUTHENTICATED' },
    prepare: async (app) => app.createGroup(),
  },
];

/** What these clients are answered in, whatever the status. */
const mediaType = 'application/graphql-response+json; charset=utf-8';

/** Declares the tests that every example of a client passes, at both doors. */
export function testGroupClient({ createGroupClient, readRefusal }: Example): void {
  let app: TestApp;
  const { groupRow, readState } = createProbes(() => app);
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

  describe.each([
    ['/graphql', 0],
    ['/deleteGroup', 1],
  ] as const)('at %s', (door, place) => {
    const clientWith = (apiKey: string) => createGroupClient(app.httpUrl + door, apiKey);

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

    test.each(refusals.map((refusal) => [refusal.what, refusal] as const))(
      'reads the code where %s, and nothing is deleted',
      async (_what, { key, statuses, extensions, prepare }) => {
        const id = await prepare(app);
        const before = await readState();
        responses = [];
        const error: unknown = await clientWith(key)
          .deleteGroup(id, `refused ${id}`)
          .then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
        expect(readRefusal(error)).toStrictEqual(extensions);
        expect(responses).toStrictEqual([{ status: statuses[place], type: mediaType }]);
        expect(await readState()).toStrictEqual(before);
      },
    );
  });
}
