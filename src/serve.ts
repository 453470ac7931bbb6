import { listenToStop } from './process/stop-signals.ts';
import type { App } from './app.ts';
import { loadConfig } from './config/load-config.ts';
import type { Config } from './config/settings.ts';
import { describeStartError } from './database/missing-privilege.ts';
import { openDatabase, type Database } from './database/database.ts';
import type { OperatorError } from './errors.ts';
import type { Logger } from './log.ts';
import { createLogger } from './process/logger.ts';

/** An app in this process, or in workers: `failed` resolves if they cannot serve, with `failure` during the start. */
type ServedApp = App & {
  readonly failed?: Promise<OperatorError>;
  readonly failure?: OperatorError | undefined;
};
type OpenApp = (config: Config, database: Database, log: Logger) => Promise<ServedApp>;

/**
 * Runs one server, in this process or in WORKERS others: reads the settings, opens the database and the app, waits for
 * a signal to stop, closes both. Ends the process. Everything else is in app.ts.
 */
export async function serve(): Promise<void> {
  let database: Database | undefined;
  const starting = new AbortController();
  const stopping = awaitStop();
  void stopping.begun.then(() => starting.abort());
  try {
    const { config, warnings } = loadConfig(process);
    const isSingle = config.WORKERS === 1;
    const log = await createLogger(config.LOG_LEVEL, process.stderr.isTTY, { showsPid: !isSingle });
    for (const warning of warnings) log.warn(warning);

    // PostgreSQL starts while the rest of the program is loaded.
    const opening = openDatabase(
      {
        url: config.DATABASE_URL,
        dataDir: config.DATA_DIR,
        // The workers have the others.
        poolSize: isSingle ? config.DATABASE_POOL_SIZE : 1,
        hasPreparedStatements: config.DATABASE_PREPARED_STATEMENTS,
        isKeptRunning: true,
        mustBeWritable: true,
        signal: starting.signal,
      },
      log,
    );
    const loading = isSingle ? loadApp() : loadWorkers(starting.signal);
    const [opened, open] = await Promise.all([opening, loading]);
    database = opened;
    const app = await open(config, database, log);
    // A key that was made is shown in any case: it is never shown again.
    if (app.failure) process.stdout.write(describeKey(app));
    else if (!stopping.isBegun() || app.createdKey) process.stdout.write(describeStart(app));

    const reason = await Promise.race([stopping.begun, app.failed ?? stopping.begun]);
    log.info({ reason: typeof reason === 'string' ? reason : reason.message }, 'stopping');
    // Nothing is served that load balancers could still send requests to.
    if (typeof reason !== 'string') stopping.hurry.abort();
    await app.close(stopping.hurry.signal);
    await database.close();
    log.info('stopped');
    if (typeof reason !== 'string') exitWithError(reason);
    process.exit(0);
  } catch (error) {
    await database?.close();
    const { aborted, reason } = starting.signal;
    if (aborted && (database === undefined || error === reason)) process.exit(0);
    exitWithError(error);
  }
}

function exitWithError(error: unknown): never {
  process.stderr.write(describeStartError(error).replace(/^/gm, 'group-api: ') + '\n');
  process.exit(1);
}

async function loadApp(): Promise<OpenApp> {
  const { openApp } = await import('./app.ts');
  return openApp;
}

/** Loads the primary of the workers only if there are several processes. */
async function loadWorkers(signal: AbortSignal): Promise<OpenApp> {
  const { openWorkers } = await import('./workers/primary.ts');
  return (config, _database, log) => openWorkers(config, log, signal);
}

/**
 * Listens from the beginning, so that a signal during the start leaves no database running. A second signal aborts
 * `hurry`, if it comes at least a second later: npm passes on those that the terminal has sent already.
 */
function awaitStop(): {
  readonly begun: Promise<string>;
  isBegun(): boolean;
  readonly hurry: AbortController;
} {
  let isBegun = false;
  const hurry = new AbortController();
  const begun = new Promise<string>((resolve) => {
    const onStop = (reason: string) => {
      isBegun = true;
      resolve(reason);
    };
    listenToStop(onStop, { onRepeat: () => hurry.abort() });
  });
  return { begun, isBegun: () => isBegun, hurry };
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
${describeKey({ createdKey })}
  ${title}${createdKey ? '' : ' (set ADMIN_API_KEY to your key; if it is lost: npx --no-install group-api accounts rotate admin)'}:
  ${curl}

`;
}

/** Returns the line with the key that this start has created, if any. */
function describeKey({ createdKey }: Pick<App, 'createdKey'>): string {
  return createdKey ? `  Key        ${createdKey}   (shown only once: store it, or set ADMIN_API_KEY)\n` : '';
}
