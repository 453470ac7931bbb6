import { open, readdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Up to where each log file was read: its size by its path. */
export type LogPosition = ReadonlyMap<string, number>;

/** How much of a log is searched, from its end. */
const maxSearchedBytes = 64 * 1024;
/** PostgreSQL ends where it cannot write a file of 16 MiB, and cannot write that into its log either. */
const leastFreeBytes = 16 * 1024 ** 2;
const mebibyte = 1024 ** 2;
/** Some of what ends a start is no more than a LOG line. */
const failure = /\b(?:(?:FATAL|PANIC): +|LOG: +(?=could not ))(.*)/g;
/** What it tells clients while it starts or ends: the consequence, not the reason. */
const consequence =
  /^(the database system is |terminating connection |terminating background |sorry, too many clients)/;

/** The file into which `pg_ctl` puts what PostgreSQL writes before it has its own log. */
export function startLogOf(clusterDir: string): string {
  return join(dirname(clusterDir), 'postgres-start.log');
}

/** Where the logs of a data folder end now. */
export async function readLogPosition(clusterDir: string): Promise<LogPosition> {
  const folder = join(clusterDir, 'log');
  const names = await readdir(folder).catch(() => []);
  const paths = [startLogOf(clusterDir), ...names.map((name) => join(folder, name))];
  const sizes = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return new Map(paths.map((path, index) => [path, sizes[index]!]));
}

/** Finds why PostgreSQL has ended, or could not start, by what it has logged since a position; nothing if it did not say. */
export async function findFailure(clusterDir: string, since: LogPosition): Promise<string | undefined> {
  const failures: string[] = [];
  for (const [path, size] of await readLogPosition(clusterDir)) {
    const from = since.get(path) ?? 0;
    // One that has shrunk was begun anew.
    const text = await readFrom(path, Math.max(from > size ? 0 : from, size - maxSearchedBytes)).catch(
      () => '',
    );
    const lines = [...text.matchAll(failure)].filter(([, message]) => !consequence.test(message!));
    failures.push(...lines.map(([line]) => line));
  }
  return failures.at(-1) ?? describeFullDisk(clusterDir);
}

async function readFrom(path: string, start: number): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(maxSearchedBytes),
      position: start,
    });
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

async function describeFullDisk(clusterDir: string): Promise<string | undefined> {
  const { bavail, bsize } = await statfs(clusterDir);
  const freeBytes = bavail * bsize;
  if (freeBytes >= leastFreeBytes) return undefined;
  return `No space left on device: ${(freeBytes / mebibyte).toFixed(1)} MiB are free for ${clusterDir}`;
}
