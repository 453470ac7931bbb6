import { expect } from '@jest/globals';
import { future } from './probes.ts';
import type { ApiResponse, Json, TestApp } from './test-app.ts';

/** Calls of a retirement, and a group's state after them. */
export function createRetirements(openedApp: () => TestApp) {
  const retire = (id: number, args: object = {}, headers = {}): Promise<ApiResponse> =>
    openedApp().post('/retireGroup', { id, at: future, ...args }, headers);
  return {
    retire,
    cancel: (id: number, headers = {}): Promise<ApiResponse> =>
      openedApp().post('/cancelRetirement', { id }, headers),
    /** Creates a group that is retired as of a date in the future. */
    createRetired: async (group: object = {}): Promise<number> => {
      const id = await openedApp().createGroup(group);
      expect((await retire(id)).status).toBe(200);
      return id;
    },
    readGroup: async (id: number): Promise<Json> => {
      const { body } = await openedApp().graphql(
        `{ group(id: ${id}) { hidden isRetired retiresAt version } }`,
      );
      return body.data.group;
    },
    /** The audit events of the deletes of a group. */
    deletesOf: (id: number) =>
      openedApp().sql(
        `SELECT account, credential, request_id, target_ids, outcome, error_code, reason, after FROM audit_events
         WHERE operation = 'deleteGroup' AND target_ids[1] = $1 ORDER BY id`,
        [String(id)],
      ),
    /** Why the last delete of a retired group failed. */
    problemOf: async (id: number): Promise<Json> => {
      const { body } = await openedApp().graphql(
        `{ groupDeletionImpact(id: ${id}) { retirement { problem { code message attempts retryAt } } } }`,
      );
      return body.data.groupDeletionImpact.retirement.problem;
    },
  };
}
