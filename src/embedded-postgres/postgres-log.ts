import { open, readdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The end of each log file at some time: its size by its path. */
type LogPosition = ReadonlyMap<string, number>;

/** The part of a log that is searched, from its end. */
const maxSearchedBytes = 64 * 1024;
/** PostgreSQL shuts down if it cannot write a file of 16 MiB, and cannot log that either. */
const minFreeBytes = 16 * 1024 ** 2;
const mebibyte = 1024 ** 2;
/** Some failures of a start have only the level LOG. */
const failure = /\b(?:(?:FATAL|PANIC): +|LOG: +(?=could not ))(.*)/g;
/** Messages to clients during start-up and shutdown: consequences, not the reason. */
const consequence =
  /^(the database system is |terminating connection |terminating background |sorry, too many clients)/;

/** Returns the file for PostgreSQL's output before it opens its own log. */
export function startLogOf(clusterDir: string): string {
  return join(dirname(clusterDir), 'postgres-start.log');
}

/** Returns the current end of each log of a data folder. */
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

/**
 * Finds why PostgreSQL has stopped or failed to start, in its logs since a position; undefined if they do not show it.
 */
export async function findFailure(clusterDir: string, since: LogPosition): Promise<string | undefined> {
  const failures: string[] = [];
  for (const [path, size] of await readLogPosition(clusterDir)) {
    const from = since.get(path) ?? 0;
    // A file that is shorter than before was overwritten.
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
  if (freeBytes >= minFreeBytes) return undefined;
  return `No space left on device: ${(freeBytes / mebibyte).toFixed(1)} MiB free for ${clusterDir}`;
}
