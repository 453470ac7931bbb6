import { describe, expect, test } from '@jest/globals';
import { useAutodialerCallers } from '../support/autodialer-callers.ts';
import { createAutodialerClient, groupsPath } from '../support/autodialer.ts';
import { createProbes } from '../support/probes.ts';
import { useTestApp } from '../support/test-app.ts';

const app = useTestApp();
const { addGroup } = createAutodialerClient(() => app);
const { auditOf, nextRequestId } = createProbes(() => app);
const { callers } = useAutodialerCallers(app);
const id = '6033876dc92de036d1390923';

describe('the audit of rejected autodialer calls', () => {
  const refuse = async (service: string, body: string, requestId: string, caller = 'admin') => {
    await fetch(`${app.httpUrl}${groupsPath}/${service}`, {
      method: 'POST',
      headers: { ...callers[caller], 'Content-Type': 'application/json', 'X-Request-Id': requestId },
      body,
    });
    return (await auditOf(requestId)).map(({ operation, outcome, error_code, target_ids }) => [
      operation,
      outcome,
      error_code,
      target_ids,
    ]);
  };
  test.each([
    ['remove', `{"_id":"${id}"}`, 'admin', 'NOT_FOUND', [id]],
    ['remove', `{"id_":"${id.toUpperCase()}"}`, 'admin', 'NOT_FOUND', [id]],
    ['remove', '{}', 'admin', 'BAD_USER_INPUT', []],
    ['remove', '{}', 'no scope', 'FORBIDDEN', []],
    ['add', '{"name":"a"}', 'admin', 'BAD_USER_INPUT', []],
    ['update', `{"_id":"${id}","name":""}`, 'admin', 'BAD_USER_INPUT', [id]],
    ['update', `{"_id":"${id}","name":"a"}`, 'admin', 'NOT_FOUND', [id]],
  ])('has one entry for %s %s by %s: %s', async (service, body, caller, code, targets) => {
    const requestId = nextRequestId();
    expect(await refuse(service, body, requestId, caller)).toStrictEqual([
      [`autodialer/groups/${service}`, 'refused', code, targets],
    ]);
  });

  test.each([
    ['remove', '{'],
    ['add', '{"name"'],
  ])('has no entry for a request that is not a call: %s %s', async (service, body) => {
    expect(await refuse(service, body, `broken-${service}`)).toStrictEqual([]);
  });
});

test('a search has no audit event', async () => {
  await addGroup();
  await app.post(`${groupsPath}/search`, {}, { 'X-Request-Id': 'searching' });
  expect(await auditOf('searching')).toStrictEqual([]);
});
