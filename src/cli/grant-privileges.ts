import pg from 'pg';
import { readRequiredPrivileges } from '../doctor/required-privileges.ts';
import { OperatorError } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';

/**
 * Grants a role the privileges that a server needs, in one transaction. Granting them again changes nothing.
 * @throws OperatorError if there is no such role
 */
export async function grantPrivileges(prisma: PrismaClient, role: string): Promise<void> {
  const grantee = pg.escapeIdentifier(role);
  const privileges = Object.entries(await readRequiredPrivileges());
  await prisma.$transaction(async (transaction) => {
    const [row] = await transaction.$queryRaw<{ schema: string; exists: boolean }[]>`
      SELECT current_schema()::text AS schema, EXISTS (SELECT FROM pg_roles WHERE rolname = ${role}) AS exists`;
    if (!row!.exists) {
      throw new OperatorError(
        `--grant-to: the role "${role}" does not exist. Create it: CREATE ROLE ${grantee} LOGIN PASSWORD '…'`,
      );
    }
    const schema = pg.escapeIdentifier(row!.schema);
    for (const objects of [
      `USAGE ON SCHEMA ${schema}`,
      ...privileges.map(([table, names]) => `${names.join(', ')} ON ${schema}.${pg.escapeIdentifier(table)}`),
      `SELECT ON ALL SEQUENCES IN SCHEMA ${schema}`,
    ])
      await transaction.$executeRawUnsafe(`GRANT ${objects} TO ${grantee}`);
  });
}
