import type pg from 'pg';
import { OperatorError } from '../errors.ts';
import type { MigrationState } from './migrations.ts';

/** Names of this project's migrations. Those of other applications that use Prisma begin with a date of 14 digits. */
const ownName = /^\d{4}_/;
const ownSchema =
  'Use an empty database, or a schema for group-api alone: CREATE SCHEMA group_api, and ?schema=group_api in DATABASE_URL';

/** Why a database cannot be brought to this version, each with what to do. Empty: it can, or it is there. */
export function findMigrationProblems(state: MigrationState, schema: string): string[] {
  const { applied, pending, unknown, changed, failed, known, obstacles } = state;
  const recorded = [...applied, ...failed];
  const foreign = recorded.filter((name) => !known.includes(name) && !ownName.test(name));
  if (foreign.length > 0) {
    const others = foreign.length > 1 ? ` and ${foreign.length - 1} more` : '';
    return [
      `The table _prisma_migrations in the schema ${schema} is used by another application, which made the migration ` +
        `${foreign[0]}${others}. ${ownSchema}`,
    ];
  }
  const problems = [
    ...failed.map((name) => describeFailed(name, known.includes(name), schema)),
    ...unknown.map(
      (name) =>
        `The database has the migration ${name}, which this version of group-api does not know. Update group-api`,
    ),
    ...changed.map(
      (name) => `The migration ${name} was changed after it was applied to this database. Restore its file`,
    ),
    ...pending.flatMap((name) => {
      const later = applied.find((each) => each > name);
      return later === undefined || failed.includes(name) ? [] : [describeGap(name, later)];
    }),
  ];
  if (problems.length > 0 || obstacles.length === 0) return problems;
  return [
    `The schema ${schema} has ${obstacles.join(', ')} already, which group-api did not make. ${ownSchema}`,
  ];
}

function describeFailed(name: string, isKnown: boolean, schema: string): string {
  return (
    `The migration ${name} was begun on this database and not finished. ${isKnown ? '' : 'Update group-api. '}` +
    'Restore a backup from before it; or undo what it left behind, and run as the owner: ' +
    `UPDATE "${schema}"._prisma_migrations SET rolled_back_at = now() WHERE migration_name = '${name}' AND finished_at IS NULL`
  );
}

function describeGap(name: string, later: string): string {
  return (
    `The migration ${name} is not applied to this database, but ${later}, which comes after it, is. ` +
    'Restore a backup of the database with its table _prisma_migrations'
  );
}

type Place = { readonly schema: string; readonly migration: string | undefined };

/** Explains an error of PostgreSQL at a migration, of which nothing is left. Any other error passes as it is. */
export function explainMigrationError(error: unknown, { schema, migration }: Place): unknown {
  const { code, message } = error as Partial<pg.DatabaseError>;
  const isOfPostgres = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code);
  if (error instanceof OperatorError || !isOfPostgres || /^(08|53|57P0)/.test(code)) return error;
  return new OperatorError(describe(code, message ?? code, schema, migration));
}

function describe(code: string, message: string, schema: string, migration: string | undefined): string {
  const isOfHistory = migration === undefined;
  if (code === '42501' && /_prisma_migrations/.test(message)) {
    return (
      `The database's user may not read the migrations (${message}). GRANT SELECT ON "${schema}"._prisma_migrations to it: ` +
      'see docs/operations.md'
    );
  }
  switch (code) {
    case '42501':
      return (
        `The database's user may not create what is needed (${message}). ` +
        'Run `group-api migrate` once as the owner of the database: see docs/operations.md'
      );
    case '25006':
      return (
        `The database takes no changes (${message}), and needs migrations. ` +
        'Set DATABASE_URL to its primary, or set default_transaction_read_only = off'
      );
    case '0A000':
    case '58P01':
      return (
        `The server lacks an extension that group-api needs (${message}). Install it on the server: on some systems it is in ` +
        'a package postgresql-contrib'
      );
    case '42P07':
    case '42710':
    case '42723':
      return `The schema ${schema} has something already that group-api did not make (${message}). ${ownSchema}`;
    case '42703':
    case '42809':
      if (isOfHistory) {
        return `_prisma_migrations in the schema ${schema} is not a table of Prisma's (${message}). ${ownSchema}`;
      }
  }
  const what = isOfHistory ? 'The migrations' : `The migration ${migration}`;
  return `${what} failed, and nothing was changed: ${message}. Run \`group-api doctor\`, which says more`;
}
