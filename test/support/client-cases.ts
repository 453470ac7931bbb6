import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createProbes, future } from './probes.ts';
import { testKey, useTestApp, type TestApp } from './test-app.ts';

type GroupClient = {
  /** @throws the client's own error if the call is rejected */
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
  readonly readApiError: (error: unknown) => object | undefined;
};

type Rejection = {
  readonly what: string;
  readonly key: string;
  /** The status at `/graphql`, and at the operation's own path. */
  readonly statuses: readonly [number, number];
  readonly extensions: Readonly<Record<string, unknown>>;
  /** Returns the id of the group to delete. */
  readonly prepare: (app: TestApp) => Promise<number>;
};

/** The errors that every client has to report for a rejected delete. */
export const rejections: readonly Rejection[] = [
  {
    what: 'there is no such group',
    key: testKey,
    statuses: [200, 404],
    extensions: { code: 'NOT_FOUND', id: 999_999 },
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
    what: 'the id is invalid',
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

/** The media type of all responses to these clients. */
const mediaType = 'application/graphql-response+json; charset=utf-8';

/** Declares the tests that every example of a client passes, at both endpoints. */
export function testGroupClient({ createGroupClient, readApiError }: Example): void {
  const app = useTestApp();
  const { groupRow, readState } = createProbes(() => app);

  /** The HTTP responses: the client itself is unchanged. */
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
  ] as const)('at %s', (endpoint, place) => {
    const clientWith = (apiKey: string) => createGroupClient(app.httpUrl + endpoint, apiKey);

    test('deletes the group and no other; a repeated call returns the same group, marked as a replay', async () => {
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

    test.each(rejections.map((rejection) => [rejection.what, rejection] as const))(
      'reads the error code if %s, and nothing is deleted',
      async (_what, { key, statuses, extensions, prepare }) => {
        const id = await prepare(app);
        const before = await readState();
        responses = [];
        const error: unknown = await clientWith(key)
          .deleteGroup(id, `rejected ${id}`)
          .then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
        expect(readApiError(error)).toStrictEqual(extensions);
        expect(responses).toStrictEqual([{ status: statuses[place], type: mediaType }]);
        expect(await readState()).toStrictEqual(before);
      },
    );
  });
}
