import { readRequiredPrivileges } from '../doctor/required-privileges.ts';
import { OperatorError } from '../errors.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';

/**
 * Grants a role the privileges that a server needs, in one transaction. Granting them again changes nothing.
 * @throws OperatorError if there is no such role
 */
export async function grantPrivileges(prisma: PrismaClient, role: string): Promise<void> {
  const privileges = JSON.stringify(await readRequiredPrivileges());
  await prisma.$transaction(async (transaction) => {
    const [row] = await transaction.$queryRaw<{ grantee: string; exists: boolean; statements: string[] }[]>`
      SELECT quote_ident(role) AS grantee, EXISTS (SELECT FROM pg_roles WHERE rolname = role) AS exists,
        ARRAY[
          format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role),
          format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I', current_schema(), role)
        ] || ARRAY(
          SELECT format('GRANT %s ON %I.%I TO %I', string_agg(privilege, ', '), current_schema(), entry.key, role)
          FROM jsonb_each(${privileges}::jsonb) AS entry, jsonb_array_elements_text(entry.value) AS privilege
          GROUP BY entry.key
        ) AS statements
      FROM (SELECT ${role}::text AS role) AS input`;
    const { grantee, exists, statements } = row!;
    if (!exists) {
      throw new OperatorError(
        `--grant-to: the role ${grantee} does not exist. Create it: CREATE ROLE ${grantee} LOGIN PASSWORD '…'`,
      );
    }
    for (const statement of statements) await transaction.$executeRawUnsafe(statement);
  });
}
