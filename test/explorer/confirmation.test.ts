import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createFetcher } from '../../explorer/fetcher.ts';
import { createProbes } from '../support/probes.ts';
import { testKey, useTestApp, type Json } from '../support/test-app.ts';

// The explorer asks before it sends an operation if the server would delete something.
const app = useTestApp();
const { groupRow } = createProbes(() => app);

let asked: string[][];
/** The ids that the page offers to restore. */
let deleted: unknown[];
let mayProceed: boolean;
beforeEach(() => {
  asked = [];
  deleted = [];
  mayProceed = false;
  // The page calls its own server.
  const { fetch } = globalThis;
  jest
    .spyOn(globalThis, 'fetch')
    .mockImplementation((path, init) => fetch(new URL(path, `${app.httpUrl}/`), init));
});
afterEach(() => {
  jest.restoreAllMocks();
});

const send = async (query: string, variables?: object | null, operationName?: string): Promise<Json> => {
  const fetcher = createFetcher({
    readKey: () => testKey,
    onWrongKey: (problem) => {
      throw new Error(problem);
    },
    onDeleted: (deletions) => deleted.push(...deletions.map(({ id }) => id)),
    signal: new AbortController().signal,
    confirm: async (_key, fields) => {
      asked.push(fields.map(({ name }) => name));
      return mayProceed ? {} : undefined;
    },
  });
  return fetcher(
    { query, variables, ...(operationName !== undefined && { operationName }) },
    {
      headers: {},
    },
  );
};

const mutation = (args: string, variables = '') =>
  `mutation ${variables} { deleteGroup(id: ID${args}) { id } }`;

describe('asks before a delete, and sends nothing if the answer is no', () => {
  const cases: [what: string, query: string, variables?: object | null][] = [
    ['without dryRun', mutation('')],
    ['dryRun: false', mutation(', dryRun: false')],
    ['dryRun: null', mutation(', dryRun: null')],
    ['a variable that is false', mutation(', dryRun: $d', '($d: Boolean)'), { d: false }],
    ['a variable that is null', mutation(', dryRun: $d', '($d: Boolean)'), { d: null }],
    ['a variable that is absent', mutation(', dryRun: $d', '($d: Boolean)'), {}],
    ['a variable, without variables', mutation(', dryRun: $d', '($d: Boolean)'), null],
    ['a variable whose default is false', mutation(', dryRun: $d', '($d: Boolean = false)'), {}],
    ['a default of true that is overridden', mutation(', dryRun: $d', '($d: Boolean = true)'), { d: false }],
    ['a default of true that null overrides', mutation(', dryRun: $d', '($d: Boolean = true)'), { d: null }],
    ['an alias', 'mutation { dryRun: deleteGroup(id: ID, dryRun: false) { id } }'],
    [
      'an inline fragment',
      'mutation { ... on Mutation { ... { deleteGroup(id: ID, dryRun: false) { id } } } }',
    ],
    [
      'fragments of fragments',
      'mutation ($d: Boolean) { ...A } fragment A on Mutation { ...B } fragment B on Mutation { deleteGroup(id: ID, dryRun: $d) { id } }',
      { d: false },
    ],
    [
      'a second field next to a dry run',
      'mutation { one: deleteGroup(id: ID, dryRun: true) { id } two: deleteGroup(id: ID, dryRun: false) { id } }',
    ],
    [
      'a dryRun of the wrong field',
      'mutation { deleteGroup(id: ID) { id } moveSubscribers(fromGroupId: ID, toGroupId: 1, dryRun: true) { movedCount } }',
    ],
  ];
  // With a third parameter Jest would pass a callback to rows of two.
  test.each(cases)('%s', async (...[_what, query, variables]) => {
    const id = await app.createGroup();
    const text = query.replaceAll('ID', String(id));
    expect(await send(text, variables)).toStrictEqual({
      errors: [{ message: 'Not sent: you chose to cancel.' }],
    });
    expect(asked).toStrictEqual([['deleteGroup']]);
    expect(await groupRow(id)).toHaveLength(1);
    expect(deleted).toStrictEqual([]);

    mayProceed = true;
    await send(text, variables);
    expect(asked).toHaveLength(2);
    expect(await groupRow(id)).toHaveLength(0);
    expect(deleted).toStrictEqual([id]);
  });

  test.each([
    ['deleteGroups', 'mutation { deleteGroups(ids: [ID], dryRun: false) { id } }'],
    ['purgeDeletedGroup', 'mutation { purgeDeletedGroup(id: ID) { id } }'],
    ['deleteServiceGroup', 'mutation { deleteServiceGroup(id: ID) { id } }'],
    [
      'removeUserSubscription',
      'mutation { removeUserSubscription(username: "mina", groupId: ID) { username } }',
    ],
  ])('%s', async (name, query) => {
    const id = await app.createGroup();
    await send(query.replaceAll('ID', String(id)));
    expect(asked).toStrictEqual([[name]]);
    expect(await groupRow(id)).toHaveLength(1);
  });

  test('the selected operation, of several', async () => {
    const id = await app.createGroup();
    const query = `query a { group(id: ${id}) { id } } mutation b { deleteGroup(id: ${id}, dryRun: false) { id } }`;
    expect(await send(query, {}, 'a')).toStrictEqual({ data: { group: { id } } });
    expect(asked).toStrictEqual([]);
    await send(query, {}, 'b');
    expect(asked).toStrictEqual([['deleteGroup']]);
    expect(await groupRow(id)).toHaveLength(1);
  });
});

describe('does not ask if nothing is deleted', () => {
  test.each<[what: string, query: string, variables?: object]>([
    ['dryRun: true', mutation(', dryRun: true')],
    ['a variable that is true', mutation(', dryRun: $d', '($d: Boolean)'), { d: true }],
    ['a variable whose default is true', mutation(', dryRun: $d', '($d: Boolean = true)'), {}],
    [
      'in a fragment',
      'mutation { ...F } fragment F on Mutation { deleteGroup(id: ID, dryRun: true) { id } }',
    ],
  ])('%s', async (...[_what, query, variables]) => {
    const id = await app.createGroup();
    const answer = await send(query.replaceAll('ID', String(id)), variables);
    expect(answer).toStrictEqual({ data: { deleteGroup: { id } } });
    expect(asked).toStrictEqual([]);
    expect(await groupRow(id)).toHaveLength(1);
  });
});
