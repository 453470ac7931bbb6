import type pg from 'pg';
import { failed, passed, type CheckResult } from './check-result.ts';

type Engine = {
  readonly name: string;
  /** An SQL condition that is true on this engine only, and valid on all of them. */
  readonly sign: string;
  /** What differs from PostgreSQL for this program, and what to do. docs/scaling.md has the sources. */
  readonly note: string;
  readonly isSupported: boolean;
};

const hasFunction = (name: string) => `EXISTS (SELECT 1 FROM pg_proc WHERE proname = '${name}')`;
const hasSchema = (name: string) => `EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = '${name}')`;
const hasSetting = (name: string) => `current_setting('${name}', true) IS NOT NULL`;

const unsupportedAdvice = 'Use PostgreSQL 14 or newer, or a managed PostgreSQL';

/** The engines that speak PostgreSQL's protocol. The first whose sign is true is named. */
const engines: readonly Engine[] = [
  {
    name: 'CockroachDB',
    sign: hasSchema('crdb_internal'),
    note:
      'no statement-level triggers, so that the audit log is not append-only; no OVERRIDING SYSTEM VALUE (restores, ' +
      `imports); no LOCK TABLE; 64-bit INT. ${unsupportedAdvice}`,
    isSupported: false,
  },
  {
    name: 'YugabyteDB',
    sign: hasFunction('yb_servers'),
    note:
      'no BRIN index (audit log); LOCK TABLE (imports) and advisory locks (migrations) only with server flags; DDL is ' +
      `not rolled back with its transaction. ${unsupportedAdvice}`,
    isSupported: false,
  },
  {
    name: 'Aurora DSQL',
    sign: `EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'sys' AND c.relname = 'jobs')`,
    note:
      'no foreign keys, so that a plan with subscribers could be deleted; no triggers, sequences, extensions or ' +
      `PL/pgSQL. ${unsupportedAdvice}`,
    isSupported: false,
  },
  {
    name: 'Citus',
    sign: hasFunction('citus_version'),
    note:
      'by its documentation everything works while the tables of group-api are local to the coordinator. Do not distribute them: the ' +
      'deletion statement and its foreign keys need all rows on one node',
    isSupported: true,
  },
  {
    name: 'Aurora PostgreSQL',
    sign: hasFunction('aurora_version'),
    note: 'by its documentation everything works, at the address of the writer; at a reader endpoint all writes fail',
    isSupported: true,
  },
  {
    name: 'AlloyDB',
    sign: hasSetting('alloydb.iam_authentication'),
    note: 'by its documentation everything works, at the address of the primary instance; in a read pool all writes fail',
    isSupported: true,
  },
  {
    name: 'Neon',
    sign: hasSetting('neon.timeline_id'),
    note: 'by its documentation everything works. A suspended compute takes some seconds for the first request; migrate by the direct address, without -pooler',
    isSupported: true,
  },
];

/** Names the engine if the database is not PostgreSQL itself, with what does not work there. */
export async function checkEngine(client: pg.Pool): Promise<CheckResult[]> {
  const columns = engines.map(({ sign }, index) => `${sign} AS engine${index}`);
  const { rows } = await client.query<Record<string, boolean>>(`SELECT ${columns.join(', ')}`);
  const engine = engines.find((_engine, index) => rows[0]![`engine${index}`]);
  if (!engine) return [];
  const message = `${engine.name}, not PostgreSQL itself: ${engine.note}`;
  return [engine.isSupported ? passed('engine', message) : failed('engine', message)];
}
