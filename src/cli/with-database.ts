import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import type { Call } from '../audit/call.ts';
import { createCallRecorder, type CallRecorder } from '../audit/call-recorder.ts';
import { loadConfig, type Config } from '../config.ts';
import { openDatabase, type Database } from '../database/open-database.ts';
import { createLogger } from '../log.ts';

/** Opens the server's database for one command and closes it again. An embedded one is shared with a server that runs. */
export async function withDatabase<T>(
  work: (database: {
    readonly prisma: Database['prisma'];
    readonly recorder: CallRecorder;
    readonly config: Config;
  }) => Promise<T>,
): Promise<T> {
  const config = loadConfig(process);
  const log = await createLogger('warn', process.stderr.isTTY);
  const database = await openDatabase(
    { url: config.DATABASE_URL, dataDir: config.DATA_DIR, poolSize: 1 },
    log,
  );
  try {
    const { prisma } = database;
    return await work({ prisma, recorder: createCallRecorder(prisma, log), config });
  } finally {
    await database.close();
  }
}

/** What the audit says of a command: who of the operating system's users gave it. */
export function createCommandCall(operation: string, targetId: string): Call {
  return {
    account: `command-line:${readUsername()}`,
    credential: 'command-line',
    address: 'local',
    userAgent: null,
    requestId: randomUUID(),
    operation,
    targetIds: [targetId],
    reason: null,
    isDryRun: false,
    idempotencyKey: null,
    fingerprint: '',
    markReplayed: () => undefined,
  };
}

/** Containers run as users without a name too. */
function readUsername(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
