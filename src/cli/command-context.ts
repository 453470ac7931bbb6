import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { noDetails, type MutationCall, type SelectedDetails } from '../mutations/mutation-call.ts';
import type { MutationRunner } from '../mutations/mutation-runner.ts';
import type { Config } from '../config/settings.ts';
import type { Database } from '../database/database.ts';
import { AppError } from '../errors.ts';
import type { Repositories } from '../repositories.ts';
import { withAbortSignal } from '../process/stop-signals.ts';

/** The database of a command with its repositories, settings and abort signal. */
export type CommandDatabase = Pick<Database, 'prisma' | 'migrations' | 'description'> &
  Repositories & {
    readonly config: Config;
    /** Aborted by a stop signal such as Ctrl-C or SIGTERM. Work that ignores it is short and runs to completion. */
    readonly signal: AbortSignal;
  };

/**
 * Opens the server's database for one command and closes it again, even if a signal aborts the command. An embedded
 * PostgreSQL is shared with a running server. `report` receives lines about a long migration.
 * @throws OperatorError if the command was aborted.
 */
export async function withDatabase<T>(
  work: (database: CommandDatabase) => Promise<T>,
  report?: (line: string) => void,
): Promise<T> {
  // Loaded here: --help and --version need none of it, and it takes most of the time of a start.
  const { loadConfig } = await import('../config/load-config.ts');
  const { createLogger } = await import('../process/logger.ts');
  const { openDatabase } = await import('../database/database.ts');
  const { createRepositories } = await import('../repositories.ts');
  const { explainMissingGroups } = await import('../group-deletion/missing-groups.ts');
  const { config, warnings } = loadConfig(process);
  const log = await createLogger('warn', process.stderr.isTTY);
  for (const warning of warnings) log.warn(warning);
  return withAbortSignal(async (signal) => {
    const database = await openDatabase(
      {
        url: config.DATABASE_URL,
        dataDir: config.DATA_DIR,
        poolSize: 1,
        hasPreparedStatements: config.DATABASE_PREPARED_STATEMENTS,
        ...(report && { report }),
      },
      log,
    );
    try {
      signal.throwIfAborted();
      const { prisma, migrations, description } = database;
      const repositories = createRepositories(prisma, config.DELETED_GROUP_RETENTION_DAYS, log);
      return await work({ ...repositories, prisma, config, migrations, description, signal }).catch(
        async (error: unknown) => {
          throw await explainMissingGroups(error, repositories.deletedGroups);
        },
      );
    } finally {
      await database.close();
    }
  });
}

/** What commands print of the groups in a result, in addition to their columns. */
const printedDetails: SelectedDetails = {
  ...noDetails,
  serviceGroup: true,
  subscriberCount: true,
  radiusAttributes: true,
};

/** Creates the call of a command for the audit log, with the operating system's user as the account. */
export function createCommandCall(
  operation: string,
  targetIds: readonly (string | number)[],
  { reason = null, isDryRun = false }: { reason?: string | null; isDryRun?: boolean } = {},
): MutationCall {
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
    selectedDetails: printedDetails,
    markReplayed: () => undefined,
  };
}

/** Opens the database and runs one mutation as a command, which is audited in either case. */
export async function runMutation<T>(
  call: MutationCall,
  work: (database: CommandDatabase) => Promise<T>,
): Promise<T> {
  return withDatabase((database) => auditedCommand(database.mutations, call, () => work(database)));
}

/** Runs a command, and writes an audit event if it is rejected. */
export async function auditedCommand<T>(
  mutations: MutationRunner,
  call: MutationCall,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AppError) await mutations.auditRejection(call, error);
    throw error;
  }
}

/** In a container the user may have no name. */
function readUsername(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
