import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { noDetails, type Call } from '../mutations/mutation-call.ts';
import { createCallRecorder, type CallRecorder } from '../mutations/mutation-runner.ts';
import { loadConfig, type Config } from '../config/settings.ts';
import { openDatabase, type Database } from '../database/database.ts';
import { AppError } from '../errors.ts';
import { createLogger } from '../log.ts';
import { stoppable } from './abort-on-signal.ts';

/** What a command works with. */
export type CommandDatabase = Pick<Database, 'prisma' | 'migrations' | 'description'> & {
  readonly recorder: CallRecorder;
  readonly config: Config;
  /** Aborted by a stop signal such as Ctrl-C or SIGTERM. Work that does not look at it is short, and carried to its end. */
  readonly signal: AbortSignal;
};

/**
 * Opens the server's database for one command and closes it again, also if a signal stops the command. An embedded
 * one is shared with a server that runs. @throws OperatorError where it was stopped before its end.
 */
export async function withDatabase<T>(work: (database: CommandDatabase) => Promise<T>): Promise<T> {
  const { config, warnings } = loadConfig(process);
  const log = await createLogger('warn', process.stderr.isTTY);
  for (const warning of warnings) log.warn(warning);
  return stoppable(async (signal) => {
    const database = await openDatabase(
      { url: config.DATABASE_URL, dataDir: config.DATA_DIR, poolSize: 1 },
      log,
    );
    try {
      signal.throwIfAborted();
      const { prisma, migrations, description } = database;
      const recorder = createCallRecorder(prisma, log);
      return await work({ prisma, recorder, config, migrations, description, signal });
    } finally {
      await database.close();
    }
  });
}

/** What the audit says of a command: who of the operating system's users gave it. */
export function createCommandCall(
  operation: string,
  targetIds: readonly (string | number)[],
  { reason = null, isDryRun = false }: { reason?: string | null; isDryRun?: boolean } = {},
): Call {
  return {
    account: `command-line:${readUsername()}`,
    credential: 'command-line',
    address: 'local',
    userAgent: null,
    requestId: randomUUID(),
    operation,
    targetIds: targetIds.map(String),
    reason,
    isDryRun,
    idempotencyKey: null,
    fingerprint: '',
    selectedDetails: noDetails,
    markReplayed: () => undefined,
  };
}

/** Carries a command out, and sees to it that one that is refused is in the audit too. */
export async function recorded<T>(recorder: CallRecorder, call: Call, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AppError) await recorder.recordRefusal(call, error);
    throw error;
  }
}

/** Containers run as users without a name too. */
function readUsername(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
