import { listenToStop } from './process/stop-signals.ts';
import type { App } from './app.ts';
import { loadConfig } from './config/load-config.ts';
import { explainMissingPrivilege } from './database/missing-privilege.ts';
import { openDatabase, type Database } from './database/database.ts';
import { OperatorError } from './errors.ts';
import { createLogger } from './log.ts';

/**
 * Runs one server in this process: reads the settings, opens the database and the app, waits for a signal to stop,
 * closes both. Ends the process. Everything else is in app.ts.
 */
export async function serve(): Promise<void> {
  let database: Database | undefined;
  const starting = new AbortController();
  const stopping = awaitStop();
  void stopping.begun.then(() => starting.abort());
  try {
    const { config, warnings } = loadConfig(process);
    const log = await createLogger(config.LOG_LEVEL, process.stderr.isTTY);
    for (const warning of warnings) log.warn(warning);

    // PostgreSQL starts while the rest of the program is loaded.
    const opening = openDatabase(
      {
        url: config.DATABASE_URL,
        dataDir: config.DATA_DIR,
        poolSize: config.DATABASE_POOL_SIZE,
        hasPreparedStatements: config.DATABASE_PREPARED_STATEMENTS,
        isKeptRunning: true,
        mustBeWritable: true,
        signal: starting.signal,
      },
      log,
    );
    const [opened, { openApp }] = await Promise.all([opening, import('./app.ts')]);
    database = opened;
    const app = await openApp(config, database, log);
    // A key that was made is shown in any case: it is never shown again.
    if (!stopping.isBegun() || app.createdKey) process.stdout.write(describeStart(app));

    log.info({ reason: await stopping.begun }, 'stopping');
    await app.close();
    await database.close();
    log.info('stopped');
    process.exit(0);
  } catch (error) {
    await database?.close();
    if (starting.signal.aborted && database === undefined) process.exit(0);
    // An operator's error is shown as one line, an internal error with its stack.
    const reason = explainMissingPrivilege(error);
    const text =
      reason instanceof OperatorError ? reason.message : ((reason as Error).stack ?? String(reason));
    process.stderr.write(text.replace(/^/gm, 'group-api: ') + '\n');
    process.exit(1);
  }
}

/**
 * Listens from the beginning, so that a signal during the start leaves no database running. Signals after the first
 * are ignored: npm passes on those that the terminal has sent already.
 */
function awaitStop(): { readonly begun: Promise<string>; isBegun(): boolean } {
  let isBegun = false;
  const begun = new Promise<string>((resolve) => {
    listenToStop((reason) => {
      isBegun = true;
      resolve(reason);
    });
  });
  return { begun, isBegun: () => isBegun };
}

/** Returns the text for the operator when the server is ready, with a command to paste. */
function describeStart({ url, database, createdKey, sampleGroupId }: App): string {
  const keyHeader = createdKey ? `'X-APIKEY: ${createdKey}'` : '"X-APIKEY: $ADMIN_API_KEY"';
  const [title, path, body] =
    sampleGroupId === undefined
      ? ['Search groups', 'searchGroups', '{"first":10}']
      : ['Delete a sample group', 'deleteGroup', `{"id":${sampleGroupId}}`];
  const curl = `curl ${url}/${path} -H ${keyHeader} -H 'Content-Type: application/json' -d '${body}'`;

  return `
  group-api is ready

  GraphQL    ${url}/graphql
  Explorer   ${url}/${createdKey ? `#key=${encodeURIComponent(createdKey)}` : ''}
  Database   ${database}
${createdKey ? `  Key        ${createdKey}   (shown only once: store it, or set ADMIN_API_KEY)\n` : ''}
  ${title}${createdKey ? '' : ' (set ADMIN_API_KEY to your key; if it is lost: npx --no-install group-api accounts rotate admin)'}:
  ${curl}

`;
}
