import { afterEach, beforeEach, expect } from '@jest/globals';
import { useExplorer } from './explorer.ts';
import { openTestApp, type TestApp } from './test-app.ts';

/** A group with two active subscribers, an empty one, and a protected one with a subscriber. */
export const [busy, empty, locked] = [7, 8, 9] as const;

/** Opens the explorer on a new server for each test, with a group of each kind and no other. */
export function useExplorerWithBlockedGroups() {
  const app = {} as TestApp;
  beforeEach(async () => {
    Object.assign(app, await openTestApp());
    await app.sql(`SELECT setval('groups_id_seq', ${busy - 1})`);
    const ids = [
      await app.createGroup({ name: 'Busy' }),
      await app.createGroup({ name: 'Empty' }),
      await app.createGroup({ name: 'Locked', protected: true }),
    ];
    expect(ids).toStrictEqual([busy, empty, locked]);
    for (const [username, groupId] of [
      ['ali', busy],
      ['mina', busy],
      ['omid', locked],
    ] as const)
      await app.post('/subscribe', { username, groupId });
  });
  const opened = useExplorer(app);
  afterEach(() => app.close());
  return { app, ...opened };
}
