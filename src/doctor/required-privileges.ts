import { readTables } from '../database/tables.ts';

const readAndWrite: readonly string[] = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
/** Tables that need fewer privileges, and views. docs/operations.md lists the same as GRANTs. */
const reducedPrivileges: Readonly<Record<string, readonly string[]>> = {
  audit_events: ['SELECT', 'INSERT'],
  _prisma_migrations: ['SELECT'],
  radius_settings: ['SELECT', 'INSERT', 'UPDATE'],
  radius_units: ['SELECT'],
  radius_subscriptions: ['SELECT'],
  radius_group_attributes: ['SELECT'],
};

/** Returns the privileges that the role of a server needs, by table of this version. */
export async function readRequiredPrivileges(): Promise<Readonly<Record<string, readonly string[]>>> {
  return {
    ...Object.fromEntries((await readTables()).map((table) => [table, readAndWrite])),
    ...reducedPrivileges,
  };
}
