// A separate PostgreSQL for the benchmark: the embedded one of group-api, with its defaults.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import pg from 'pg';
import { openEmbeddedPostgres } from '../dist/embedded-postgres/cluster.js';
import { migrate } from '../dist/database/migrations.js';
import { fillSql } from './group-row.js';

/** Starts PostgreSQL in a new folder below BENCH_FOLDER (default: /var/tmp), with a table of this many groups. */
export async function openBenchDatabase(groupCount) {
  const folder = await mkdtemp(`${process.env.BENCH_FOLDER ?? '/var/tmp'}/group-api-bench-`);
  const embedded = await openEmbeddedPostgres(folder);
  const pool = new pg.Pool({ ...embedded.connection, max: 2 });
  pool.on('error', () => undefined);
  await migrate(pool);
  await pool.query(fillSql(groupCount));
  await pool.query('VACUUM ANALYZE');
  const { host, user, database } = embedded.connection;
  return {
    host,
    url: `postgresql://${user}@localhost/${database}?host=${encodeURIComponent(host)}`,
    sql: async (text, values) => (await pool.query(text, values)).rows,
    /** The CPU time of all its processes so far, in seconds, including those that have ended. */
    cpuSeconds: () => readTreeCpu(Number(readFileSync(`${host}/postmaster.pid`, 'utf8').split('\n')[0])),
    async close() {
      await pool.end();
      await embedded.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']).toString());

/** Returns the CPU time of a process in seconds; with `children`, including child processes that have ended. */
export function readCpu(pid, { children = false } = {}) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const [own, system, waited, waitedSystem] = fields.slice(11, 15).map(Number);
  return (own + system + (children ? waited + waitedSystem : 0)) / ticksPerSecond;
}

function readTreeCpu(parent) {
  let seconds = readCpu(parent, { children: true });
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
      if (Number(fields[1]) === parent) seconds += readCpu(pid);
    } catch {
      // The process has ended in the meantime.
    }
  }
  return seconds;
}

/**
 * Runs `pgbench`: a bare delete by prepared statement, without an API server. Returns undefined if it is not installed.
 */
export async function runPgbench(database, { clients, seconds, firstId }) {
  const script = `${database.host.replace(/postgres$/, '')}delete.sql`;
  await database.sql(`CREATE SEQUENCE IF NOT EXISTS bench_ids; `);
  await database.sql(`SELECT setval('bench_ids', ${firstId})`);
  const { writeFile } = await import('node:fs/promises');
  await writeFile(script, `DELETE FROM groups WHERE id = (SELECT nextval('bench_ids')::int) RETURNING *;\n`);
  const child = spawn(
    'pgbench',
    [
      '-n',
      '-M',
      'prepared',
      '-c',
      clients,
      '-j',
      '2',
      '-T',
      seconds,
      '-f',
      script,
      '-h',
      database.host,
      '-U',
      'postgres',
      'postgres',
    ].map(String),
  );
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve) => {
    child.on('error', () => resolve(-1));
    child.on('close', resolve);
  });
  if (code !== 0) return undefined;
  const [{ last_value: lastId }] = await database.sql('SELECT last_value::int FROM bench_ids');
  return {
    perSecond: Number(/tps = ([\d.]+)/.exec(output)[1]),
    p50: Number(/latency average = ([\d.]+)/.exec(output)[1]),
    lastId,
  };
}
