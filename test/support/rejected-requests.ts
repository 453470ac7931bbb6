import { expect } from '@jest/globals';
import { createProbes } from './probes.ts';
import type { ApiResponse, TestApp } from './test-app.ts';

export const deletion = 'mutation ($id: Int!) { deleteGroup(id: $id) { id } }';

export const repeat = (count: number, write: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => write(index)).join(' ');

/** The audit event of a mutation that is rejected before its resolver runs. */
export const refused = (operation: string, errorCode: string, ...ids: (number | string)[]) => ({
  operation,
  outcome: 'refused',
  error_code: errorCode,
  target_ids: ids.map(String),
  before: null,
  after: null,
  account: 'admin',
});

/**
 * Returns a function that sends a request that is rejected, returns its audit events, and asserts that nothing else has
 * changed. `getApp` is called lazily, since tests open the app before they run.
 */
export function createRejectionProbe(getApp: () => TestApp) {
  const { readState, nextRequestId } = createProbes(getApp);
  return async (
    send: (headers: Record<string, string>) => Promise<ApiResponse>,
  ): Promise<{ answer: ApiResponse; entries: Record<string, unknown>[] }> => {
    const before = await readState();
    const requestId = nextRequestId();
    const answer = await send({ 'X-Request-Id': requestId, 'Idempotency-Key': requestId });
    expect(await readState()).toStrictEqual(before);
    const entries = await getApp().sql(
      `SELECT operation, outcome, error_code, target_ids, reason, before, after, account, user_agent FROM audit_events
       WHERE request_id = $1 ORDER BY id`,
      [requestId],
    );
    return { answer, entries };
  };
}
