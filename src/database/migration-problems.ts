import type pg from 'pg';
import { OperatorError } from '../errors.ts';
import { readOnlyTransaction } from '../postgres/sql-states.ts';

/** The names of migrations by their state in a database. */
export type MigrationState = {
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  readonly unknown: readonly string[];
  readonly changed: readonly string[];
  /** Started by `prisma migrate`, and neither completed nor rolled back. */
  readonly failed: readonly string[];
  /** Started outside a transaction, and not completed: running, or repeated by the next start. Pending as well. */
  readonly interrupted: readonly string[];
  /** All migrations of this version. */
  readonly ownNames: readonly string[];
  /** Tables and functions with the names of objects that pending migrations create, not created by an applied one. */
  readonly obstacles: readonly string[];
};

/** The names of our migrations. Those of other applications that use Prisma start with a date of 14 digits. */
const ownName = /^\d{4}_/;
const ownSchema =
  'Use an empty database, or a separate schema for group-api: CREATE SCHEMA group_api, and ?schema=group_api in DATABASE_URL';

/**
 * Returns why a database cannot be migrated to this version, each with what to do; an empty list if it can, or needs no
 * migration.
 */
export function findMigrationProblems(state: MigrationState, schema: string): string[] {
  const { applied, pending, unknown, changed, failed, ownNames, obstacles } = state;
  const foreign = [...applied, ...failed].filter((name) => !ownNames.includes(name) && !ownName.test(name));
  if (foreign.length > 0) {
    const others = foreign.length > 1 ? ` and ${foreign.length - 1} more` : '';
    return [
      `The table _prisma_migrations in the schema ${schema} is used by another application, which created the migration ` +
        `${foreign[0]}${others}. ${ownSchema}`,
    ];
  }
  const problems = [
    ...failed.map((name) => describeFailed(name, ownNames.includes(name), schema)),
    ...unknown.map(
      (name) =>
        `The database has the migration ${name}, which is unknown to this version of group-api. Update group-api`,
    ),
    ...changed.map(
      (name) => `The migration ${name} was changed after it was applied to this database. Restore its file`,
    ),
    ...pending.flatMap((name) => {
      const later = applied.find((appliedName) => appliedName > name);
      return later === undefined || failed.includes(name) ? [] : [describeGap(name, later)];
    }),
  ];
  if (problems.length > 0 || obstacles.length === 0) return problems;
  return [
    `The schema ${schema} already contains ${obstacles.join(', ')}, which group-api did not create. ${ownSchema}`,
  ];
}

function describeFailed(name: string, isKnown: boolean, schema: string): string {
  return (
    `The migration ${name} was started on this database but not completed. ${isKnown ? '' : 'Update group-api. '}` +
    'Restore a backup from before it; or undo its partial changes, and run as the owner: ' +
    `UPDATE "${schema}"._prisma_migrations SET rolled_back_at = now() WHERE migration_name = '${name}' AND finished_at IS NULL`
  );
}

function describeGap(name: string, later: string): string {
  return (
    `The migration ${name} is not applied to this database, but ${later}, which comes after it, is. ` +
    'Restore a backup of the database with its table _prisma_migrations'
  );
}

type Location = {
  readonly schema: string;
  readonly migration: string | undefined;
  /** Outside a transaction: not rolled back. */
  readonly isStandalone?: boolean;
};

/** Converts an error of PostgreSQL during a migration. Returns any other error unchanged. */
export function explainMigrationError(error: unknown, location: Location): unknown {
  const { code, message } = error as Partial<pg.DatabaseError>;
  const isOfPostgres = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code);
  if (error instanceof OperatorError || !isOfPostgres || /^(08|53|55P03|57P0)/.test(code)) return error;
  return new OperatorError(describe(code, message ?? code, location));
}

function describe(code: string, message: string, { schema, migration, isStandalone }: Location): string {
  const isOfHistory = migration === undefined;
  if (code === '42501' && /_prisma_migrations/.test(message)) {
    return (
      `The database user is not allowed to read the migrations (${message}). GRANT SELECT ON "${schema}"._prisma_migrations to it: ` +
      'see docs/operations.md'
    );
  }
  switch (code) {
    case '42501':
      return (
        `The database user is not allowed to create the required objects (${message}). ` +
        'Run `group-api migrate` once as the owner of the database: see docs/operations.md'
      );
    case readOnlyTransaction:
      return (
        `The database is read-only (${message}), but migrations are pending. ` +
        'Set DATABASE_URL to the primary, or set default_transaction_read_only = off'
      );
    case '0A000':
    case '58P01':
      return (
        `The server lacks an extension that group-api needs (${message}). Install it on the server: on some systems it is in ` +
        'the package postgresql-contrib'
      );
    case '42P07':
    case '42710':
    case '42723':
      return `The schema ${schema} already contains an object that group-api did not create (${message}). ${ownSchema}`;
    case '42703':
    case '42809':
      if (isOfHistory) {
        return `_prisma_migrations in the schema ${schema} is not Prisma's table (${message}). ${ownSchema}`;
      }
  }
  if (isStandalone) {
    return (
      `The migration ${migration} failed: ${message}. Remove the cause; the next start or \`group-api migrate\` drops ` +
      'what is unfinished, and repeats the migration'
    );
  }
  const subject = isOfHistory ? 'The migrations' : `The migration ${migration}`;
  return `${subject} failed, and nothing was changed: ${message}. Run \`group-api doctor\` for details`;
}
