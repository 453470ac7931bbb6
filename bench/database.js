// A separate PostgreSQL for the benchmark: the embedded one of group-api, with its defaults.
import { execFileSync } from 'node:child_process';
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
