// Our own statement, which guards, archives and audits, for servers that execute one request at a time.
import { randomUUID } from 'node:crypto';
import { writeDeletionStatement } from '../../dist/group-deletion/delete-statement.js';
import { parseGroupRow } from '../../dist/groups/group.js';
import { noDetails } from '../../dist/mutations/mutation-call.js';

/** Deletes one group on a pool of connections and returns it. */
export async function deleteByStatement(pool, id) {
  const call = {
    account: 'bench',
    credential: 'api-key',
    address: '127.0.0.1',
    userAgent: null,
    requestId: randomUUID(),
    operation: 'deleteGroup',
    targetIds: [String(id)],
    idempotencyKey: null,
    fingerprint: '',
    selectedDetails: noDetails,
  };
  const request = {
    id,
    reason: null,
    expectedVersion: null,
    call,
    isAudited: true,
    subscribersMoved: 0,
    movedTo: null,
  };
  const { text, values } = writeDeletionStatement([request], 30);
  const { rows } = await pool.query({ name: 'delete', text, values });
  if (rows[0].outcome !== 'done') throw new Error(rows[0].outcome);
  return parseGroupRow(rows[0].row);
}
