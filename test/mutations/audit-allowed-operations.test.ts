import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRejectionProbe, deletion, refused } from '../support/rejected-requests.ts';
import { openTestApp, type TestApp } from '../support/test-app.ts';
import { createTestFolder } from '../support/test-folder.ts';

describe('with ALLOWED_OPERATIONS_FILE', () => {
  let closed: TestApp;
  const entriesOf = createRejectionProbe(() => closed);
  beforeAll(async () => {
    const file = join(await createTestFolder(), 'operations.json');
    const hash = createHash('sha256').update(deletion).digest('hex');
    await writeFile(file, JSON.stringify({ [hash]: deletion }));
    closed = await openTestApp({ ALLOWED_OPERATIONS_FILE: file });
  });
  afterAll(() => closed.close());
  const documentId = () => createHash('sha256').update(deletion).digest('hex');

  test.each([
    ['another text', '/graphql', { query: 'mutation { deleteGroup(id: 5) { name } }' }, ['5']],
    ['an unknown hash at a path', '/deleteGroup', { documentId: 'aa', variables: { id: 5 } }, ['5']],
    ['the short form', '/deleteGroup', { id: 5 }, ['5']],
  ])('%s has one audit event', async (_what, path, body, ids) => {
    const { entries } = await entriesOf((headers) => closed.post(path, body, headers));
    expect(entries).toMatchObject([refused('deleteGroup', 'OPERATION_NOT_ALLOWED', ...ids)]);
  });

  test('a hash on the list has an audit event with its operation', async () => {
    const { entries } = await entriesOf((headers) =>
      closed.post('/graphql', { documentId: documentId(), variables: { id: '5' } }, headers),
    );
    expect(entries).toMatchObject([refused('deleteGroup', 'BAD_USER_INPUT')]);
  });
});
