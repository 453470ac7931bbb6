import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Json } from './test-app.ts';
import type { TestDatabase } from './test-database.ts';

/** The tables of a schema by the catalogue: a partitioned one is one, and its partitions none. */
export async function listTables(database: TestDatabase): Promise<string[]> {
  const rows = await database.sql<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
       AND NOT relispartition ORDER BY relname COLLATE "C"`,
  );
  return rows.map(({ name }) => name);
}

/** The number and a hash of the whole rows of each table, as text with all digits of times. */
export async function digestTables(database: TestDatabase, condition = 'true'): Promise<Json> {
  const digests: Record<string, unknown> = {};
  for (const name of await listTables(database)) {
    const [digest] = await database.sql(
      `SELECT count(*)::int AS rows, md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE "C")) FROM "${name}" AS t
       WHERE ${name === 'audit_events' ? condition : 'true'}`,
    );
    digests[name] = digest;
  }
  return digests;
}

/** The restore itself is in the audit log of the restored database. */
export const withoutRestore = `operation <> 'restore'`;

/** The last value of each sequence, and whether it was assigned. */
export async function readSequences(database: TestDatabase): Promise<Json> {
  const names = await database.sql<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'S' ORDER BY 1`,
  );
  const values: Record<string, unknown> = {};
  for (const { name } of names)
    [values[name]] = await database.sql(`SELECT last_value, is_called FROM "${name}"`);
  return values;
}

type Part = { readonly record: Json; readonly bytes: Buffer };

/** Returns the records of a backup, each with the bytes that follow it. */
export function readParts(backup: Buffer): Part[] {
  const content = gunzipSync(backup);
  const parts: Part[] = [];
  for (let at = 0; at < content.length;) {
    const lineEnd = content.indexOf('\n', at) + 1;
    const record = JSON.parse(content.toString('utf8', at, lineEnd));
    const end = lineEnd + (record.bytes ?? 0);
    parts.push({ record, bytes: content.subarray(lineEnd, end) });
    at = end;
  }
  return parts;
}

/** Writes the records of a backup again, with checksums that match them: a file that someone has altered deliberately. */
export function writeParts(parts: readonly Part[]): Buffer {
  const content = Buffer.concat(
    parts
      .slice(0, -1)
      .flatMap(({ record, bytes }) => [
        Buffer.from(JSON.stringify({ ...record, ...(bytes.length > 0 && { bytes: bytes.length }) }) + '\n'),
        bytes,
      ]),
  );
  const end = parts.at(-1)!.record;
  const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const tables = end.tables.map(({ name }: { name: string }) => {
    const rows = Buffer.concat(parts.filter(({ record }) => record.table === name).map(({ bytes }) => bytes));
    return { name, rows: rows.toString('latin1').split('\n').length - 1, sha256: hashOf(rows) };
  });
  const line = JSON.stringify({ ...end, tables, sha256: hashOf(content) }) + '\n';
  return gzipSync(Buffer.concat([content, Buffer.from(line)]));
}
