import type { Connection } from '../backup/connection.ts';
import { withAbortSignal } from '../process/stop-signals.ts';

type ConnectionOptions = { readonly mustExist: boolean };

/**
 * Connects to the server's database as it is, without migrating it, for one command, and closes the connection again,
 * even if a signal aborts the command. @throws OperatorError if the command was aborted.
 */
export async function withConnection<T>(
  { mustExist }: ConnectionOptions,
  work: (connection: Connection, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // Loaded here: --help needs none of it.
  const { loadConfig } = await import('../config/load-config.ts');
  const { createLogger } = await import('../process/logger.ts');
  const { explainLostConnection, openConnection } = await import('../backup/connection.ts');
  const { config, warnings } = loadConfig(process);
  const log = await createLogger('warn', process.stderr.isTTY);
  for (const warning of warnings) log.warn(warning);
  return withAbortSignal(async (signal) => {
    const connection = await openConnection({
      url: config.DATABASE_URL,
      dataDir: config.DATA_DIR,
      mustExist,
      signal,
    });
    try {
      return await work(connection, signal);
    } catch (error) {
      throw explainLostConnection(error, connection);
    } finally {
      await connection.close();
    }
  });
}
