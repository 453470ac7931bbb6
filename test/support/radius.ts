import type { TestDatabase } from './test-database.ts';

/** A row of a view of FreeRADIUS, without its id. */
export type RadiusRow = Readonly<Record<string, unknown>>;

/** The queries of FreeRADIUS 3.2 (mods-config/sql/main/postgresql/queries.conf), with `name` as their table. */
const queries = {
  radcheck: (table: string) =>
    `SELECT id, UserName, Attribute, Value, Op FROM ${table} WHERE Username = $1 ORDER BY id`,
  radreply: (table: string) =>
    `SELECT id, UserName, Attribute, Value, Op FROM ${table} WHERE Username = $1 ORDER BY id`,
  radusergroup: (table: string) => `SELECT GroupName FROM ${table} WHERE UserName=$1 ORDER BY priority`,
  radgroupcheck: (table: string) =>
    `SELECT id, GroupName, Attribute, Value, op FROM ${table} WHERE GroupName = $1 ORDER BY id`,
  radgroupreply: (table: string) =>
    `SELECT id, GroupName, Attribute, Value, op FROM ${table} WHERE GroupName = $1 ORDER BY id`,
} as const;
export type RadiusView = keyof typeof queries;
export const radiusViews = Object.keys(queries) as RadiusView[];

/** Returns a query of FreeRADIUS that reads a view, or the function that has the rows of one name. */
export function queryOf(view: RadiusView, isFunction: boolean, schema = 'radius'): string {
  return queries[view](isFunction ? `${schema}.${view}_for($1)` : `${schema}.${view}`);
}

/** What FreeRADIUS reads about a user: as its module rlm_sql does, which applies the first group only. */
export type Authorization = {
  /** Whether `radcheck` has the user: without it, the module does not read `radreply`. */
  readonly isKnown: boolean;
  readonly groups: readonly string[];
  /** The attributes of the user and of the first group, without `Session-Timeout`. */
  readonly check: Readonly<Record<string, string>>;
  readonly reply: Readonly<Record<string, string>>;
  readonly sessionTimeout: number | undefined;
};

/** Reads what FreeRADIUS reads about a user, through the functions. */
export async function authorize(
  { sql }: Pick<TestDatabase, 'sql'>,
  username: string,
  schema?: string,
): Promise<Authorization> {
  const read = (view: RadiusView, name: string) =>
    sql<{ attribute: string; op: string; value: string; groupname: string }>(queryOf(view, true, schema), [
      name,
    ]);
  const check = await read('radcheck', username);
  const reply = check.length > 0 ? await read('radreply', username) : [];
  const groups = (await read('radusergroup', username)).map(({ groupname }) => groupname);
  const [first] = groups;
  const groupCheck = first === undefined ? [] : await read('radgroupcheck', first);
  const groupReply = first === undefined ? [] : await read('radgroupreply', first);
  const toRecord = (rows: readonly { attribute: string; value: string }[]) =>
    Object.fromEntries(rows.map(({ attribute, value }) => [attribute, value]));
  const { 'Session-Timeout': timeout, ...replies } = toRecord([...reply, ...groupReply]);
  return {
    isKnown: check.length > 0,
    groups,
    check: toRecord([...check, ...groupCheck]),
    reply: replies,
    sessionTimeout: timeout === undefined ? undefined : Number(timeout),
  };
}

/** What FreeRADIUS reads about a user who has no running subscription. */
export const rejected: Authorization = {
  isKnown: false,
  groups: [],
  check: {},
  reply: {},
  sessionTimeout: undefined,
};
