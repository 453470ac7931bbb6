/** Runs a statement with parameters, and returns its rows. */
type RunQuery = (sql: string, ...values: unknown[]) => Promise<AccountingProblem[]>;

/**
 * Returns what prevents the current role from reading the tables of FreeRADIUS in a schema, one sentence for each
 * table; nothing if it can.
 */
export async function findAccountingProblems(schema: string, runQuery: RunQuery): Promise<string[]> {
  const problems = (await runQuery(writeAccountingCheck(), schema))
    .map((problem) => describeAccountingProblem(schema, problem))
    .filter((sentence) => sentence !== undefined);
  return [...new Set(problems)];
}

/** The columns that are read, by table. */
const columns = {
  radacct: [
    'acctsessionid',
    'acctuniqueid',
    'username',
    'nasipaddress',
    'acctstarttime',
    'acctstoptime',
    'framedipaddress',
  ],
  nas: ['id', 'nasname', 'secret'],
} as const;

/** What a role lacks to read one of the tables. */
export type AccountingProblem = {
  readonly table: string;
  readonly hasSchema: boolean;
  readonly mayUseSchema: boolean;
  readonly exists: boolean;
  readonly missingColumns: readonly string[];
  readonly mayRead: boolean;
  /** The names, as in SQL. */
  readonly user: string;
  readonly quotedSchema: string;
};

/** Writes the statement that selects what the current role lacks to read the tables; its parameter is the schema. */
function writeAccountingCheck(): string {
  return `
    SELECT wanted.name AS "table", n.oid IS NOT NULL AS "hasSchema",
      coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS "mayUseSchema", c.oid IS NOT NULL AS "exists",
      ARRAY(SELECT column_name FROM unnest(wanted.columns) WITH ORDINALITY AS list (column_name, place)
        WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = column_name AND attnum > 0 AND NOT attisdropped)
        ORDER BY place) AS "missingColumns",
      NOT EXISTS (SELECT FROM pg_attribute
        WHERE attrelid = c.oid AND attname = ANY (wanted.columns) AND NOT has_column_privilege(c.oid, attnum, 'SELECT')
      ) AS "mayRead", quote_ident(current_user) AS "user", quote_ident($1) AS "quotedSchema"
    FROM (VALUES ('radacct', '{${columns.radacct.join(',')}}'::text[]), ('nas', '{${columns.nas.join(',')}}'::text[]))
        AS wanted (name, columns)
      LEFT JOIN pg_namespace n ON nspname = $1
      LEFT JOIN pg_class c ON relnamespace = n.oid AND relname = wanted.name AND relkind IN ('r', 'p', 'v', 'm', 'f')`;
}

/**
 * Returns the sentence that says what a problem is, and what to do; undefined if there is none. `schema` is the setting
 * RADIUS_ACCOUNTING_SCHEMA.
 */
function describeAccountingProblem(schema: string, problem: AccountingProblem): string | undefined {
  const { table, hasSchema, mayUseSchema, exists, missingColumns, mayRead, user, quotedSchema } = problem;
  const name = `${schema}.${table}`;
  const create =
    "Load FreeRADIUS' mods-config/sql/main/postgresql/schema.sql into that schema of this database, or set " +
    'RADIUS_ACCOUNTING_SCHEMA to the schema that has its tables; RADIUS_DISCONNECT=false sends nothing';
  if (!hasSchema) return `RADIUS_ACCOUNTING_SCHEMA: there is no schema ${schema}. ${create}`;
  if (!exists) return `RADIUS_ACCOUNTING_SCHEMA: there is no table ${name}. ${create}`;
  if (missingColumns.length > 0)
    return `RADIUS_ACCOUNTING_SCHEMA: ${name} lacks the columns ${missingColumns.join(', ')}. ${create}`;
  if (!mayUseSchema || !mayRead)
    return `RADIUS_ACCOUNTING_SCHEMA: ${user} may not read ${name}: GRANT USAGE ON SCHEMA ${quotedSchema} TO ${user}; GRANT SELECT ON ${quotedSchema}.${table} TO ${user}`;
  return undefined;
}
