import { execFile } from 'node:child_process';
import { appendFile, chown, copyFile, chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { findBinaries } from '../../src/embedded-postgres/binaries.ts';
import { requireServiceUser, run } from '../../src/embedded-postgres/service-user.ts';
import { createTestFolder } from './test-folder.ts';

/** A PostgreSQL that listens on TCP, with a self-signed certificate for 127.0.0.1. */
export type TcpPostgres = {
  readonly port: number;
  /** Its folder, which belongs to the user that runs it. */
  readonly dataDir: string;
  /** Another address that it listens on, which is not in its certificate. */
  readonly otherHost: string;
  /** Runs SQL as the superuser. */
  sql(text: string, database?: string): Promise<void>;
  /** Switches TLS on or off for new connections. */
  setTls(isOn: boolean): Promise<void>;
  /** Starts a standby that streams from this server, which must have `replicationRule`. */
  startStandby(): Promise<{ readonly port: number; close(): Promise<void> }>;
  close(): Promise<void>;
};

/** A rule of pg_hba.conf that lets a standby connect. */
export const replicationRule = 'host replication postgres 127.0.0.0/8 trust';

/** The self-signed certificate, which is its own CA. */
export const certificateFile = fileURLToPath(new URL('certificates/first.crt', import.meta.url));
const isLinux = process.platform === 'linux';
/** On Linux all of 127.0.0.0/8 is loopback, and IPv6 may be disabled. */
const otherAddress = isLinux ? '127.0.0.2' : '::1';
const keyFile = fileURLToPath(new URL('certificates/first.key', import.meta.url));

/**
 * Starts a PostgreSQL with the rules `hba` in pg_hba.conf; the superuser `postgres` needs no password. `binDir` replaces the
 * embedded binaries. With `isStandby` it is read-only, as it waits for a primary that does not exist.
 */
export async function startTcpPostgres(
  hba: readonly string[] = [],
  binDir?: string,
  isStandby = false,
): Promise<TcpPostgres> {
  const runAs = process.getuid?.() === 0 ? await requireServiceUser() : undefined;
  const binaries = binDir
    ? { initdb: join(binDir, 'initdb'), pgCtl: join(binDir, 'pg_ctl') }
    : await findBinaries(runAs);
  const folder = await createTestFolder();
  const dataDir = join(folder, 'data');
  await mkdir(dataDir);
  const own = async (path: string) => runAs && chown(path, runAs.uid, runAs.gid);
  await Promise.all([own(folder), own(dataDir)]);

  const runOrThrow = async (command: string, args: string[]) => {
    const { code, output } = await run(command, args, folder, runAs);
    if (code !== 0) throw new Error(`${command}: ${output}`);
  };
  await runOrThrow(binaries.initdb, ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '-N']);
  for (const [file, name] of [
    [certificateFile, 'server.crt'],
    [keyFile, 'server.key'],
  ] as const) {
    await copyFile(file, join(dataDir, name));
    await chmod(join(dataDir, name), 0o600);
    await own(join(dataDir, name));
  }
  const port = await findFreePort();
  const settings = `listen_addresses = '127.0.0.1,${otherAddress}'\nport = ${port}\nunix_socket_directories = ''\nfsync = off\nssl = on\n`;
  await writeFile(join(dataDir, 'postgresql.auto.conf'), settings);
  const rules = ['host all postgres 127.0.0.0/8 trust', ...hba, 'host all all all scram-sha-256'];
  await writeFile(join(dataDir, 'pg_hba.conf'), rules.join('\n') + '\n');
  if (isStandby) {
    await writeFile(join(dataDir, 'standby.signal'), '');
    await own(join(dataDir, 'standby.signal'));
  }
  const log = join(folder, 'log');
  const startIn = (dir: string) =>
    runOrThrow(binaries.pgCtl, ['start', '-D', dir, '-l', log, '-w']).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await readFile(log, 'utf8').catch(() => '')}`);
    });
  const stopIn = (dir: string) => runOrThrow(binaries.pgCtl, ['stop', '-D', dir, '-m', 'immediate']);
  await startIn(dataDir);

  const sql = async (text: string, database = 'postgres') => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database });
    await client.connect();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  };
  return {
    port,
    dataDir,
    otherHost: isLinux ? otherAddress : `[${otherAddress}]`,
    sql,
    async setTls(isOn) {
      await sql(`ALTER SYSTEM SET ssl = ${isOn ? 'on' : 'off'}`);
      await runOrThrow(binaries.pgCtl, ['restart', '-D', dataDir, '-l', log, '-w', '-m', 'fast']);
    },
    async startStandby() {
      const standbyDir = join(folder, 'standby');
      const standbyPort = await findFreePort();
      const label = await copyOnline(port, dataDir, standbyDir);
      const added = `port = ${standbyPort}\nprimary_conninfo = 'host=127.0.0.1 port=${port} user=postgres'\n`;
      await appendFile(join(standbyDir, 'postgresql.auto.conf'), added);
      for (const [name, text] of [
        ['backup_label', label],
        ['standby.signal', ''],
      ] as const) {
        await writeFile(join(standbyDir, name), text);
        await own(join(standbyDir, name));
      }
      await startIn(standbyDir);
      return { port: standbyPort, close: () => stopIn(standbyDir) };
    },
    async close() {
      await stopIn(dataDir);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Copies the data folder of a running server, as pg_basebackup does. Returns the text of its backup_label. */
async function copyOnline(port: number, from: string, to: string): Promise<string> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    await client.query("SELECT pg_backup_start('standby', true)");
    // -a: the files belong to the user of PostgreSQL.
    await promisify(execFile)('cp', ['-a', from, to]);
    const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    await rm(join(to, 'postmaster.pid'));
    return rows[0]!.labelfile;
  } finally {
    await client.end();
  }
}

/** Finds a port that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
