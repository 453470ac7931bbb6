import type { PrismaClient } from '../generated/prisma/client.ts';
import { selectNas, type AccountingTables } from './accounting-statements.ts';
import {
  createFeedRow,
  lease,
  moveCursor,
  recordResults,
  releaseLease,
  selectCurrentPlans,
  selectDue,
  selectPlans,
  type CurrentPlan,
  type Cursors,
  type DeliveryResult,
  type DueDelivery,
  type DueFilter,
} from './delivery-statements.ts';
import { fanOut } from './fan-out-statement.ts';
import type { NasRow } from './nas-list.ts';
import type { Plans, PlanValues, SessionChange } from './session-changes.ts';

/** The deliveries and the lease in the database, for the process `sender`. */
export type DeliveryStore = ReturnType<typeof createDeliveryStore>;

/** Creates the store. Its statements are single ones: nothing is locked while an attempt runs. */
export function createDeliveryStore(prisma: PrismaClient, tables: AccountingTables, sender: string) {
  return {
    /** Stores where sending starts, unless it has started before. */
    async start(cursor: string): Promise<void> {
      await prisma.$executeRaw(createFeedRow(cursor));
    },

    /** Makes this process the one that sends for `leaseMs`; returns the cursor, undefined if another one sends. */
    async lease(leaseMs: number): Promise<string | undefined> {
      const [row] = await prisma.$queryRaw<{ cursor: string }[]>(lease(sender, leaseMs));
      return row?.cursor;
    },

    /** Lets another process send. */
    async release(): Promise<void> {
      await prisma.$executeRaw(releaseLease(sender));
    },

    /** Returns the plans of these groups. */
    async findPlans(ids: readonly number[]): Promise<Plans> {
      if (ids.length === 0) return new Map();
      const rows = await prisma.$queryRaw<(PlanValues & { id: number })[]>(selectPlans(ids));
      return new Map(rows.map((row) => [row.id, row]));
    },

    /**
     * Moves the cursor and inserts the deliveries of the changes. Returns how many; undefined if another process has
     * moved the cursor, or sends.
     */
    async fanOut(
      cursors: Cursors,
      changes: readonly SessionChange[],
      inFlight: readonly bigint[],
    ): Promise<number | undefined> {
      const statement =
        changes.length === 0
          ? moveCursor(sender, cursors)
          : fanOut(tables, sender, cursors, changes, inFlight);
      const [row] = await prisma.$queryRaw<{ count: number }[]>(statement);
      return row?.count;
    },

    /** Returns the deliveries that may be sent now. */
    async listDue(filter: DueFilter): Promise<DueDelivery[]> {
      return prisma.$queryRaw<DueDelivery[]>(selectDue(tables, filter));
    },

    /** Returns the current plans of these user names, those that have one. */
    async findCurrentPlans(usernames: readonly string[]): Promise<ReadonlyMap<string, CurrentPlan>> {
      if (usernames.length === 0) return new Map();
      const rows = await prisma.$queryRaw<CurrentPlan[]>(selectCurrentPlans(usernames));
      return new Map(rows.map((row) => [row.username, row]));
    },

    /** Returns the rows of `nas`. */
    async listNas(): Promise<NasRow[]> {
      return prisma.$queryRaw<NasRow[]>(selectNas(tables));
    },

    /** Stores the results of attempts. Can be repeated. */
    async record(results: readonly DeliveryResult[]): Promise<void> {
      await prisma.$executeRaw(recordResults(results));
    },
  };
}
