import { setFlagsFromString } from 'node:v8';
import { listenToStop } from './cli/abort-on-signal.ts';
import { loadConfig } from './config/settings.ts';
import { explainMissingPrivilege } from './database/missing-privilege.ts';
import { openDatabase, type Database } from './database/database.ts';
import { OperatorError } from './errors.ts';
import { createLogger } from './log.ts';
import { describeStart } from './cli/startup-banner.ts';

// The server process: loads the settings, opens the database and the app, and closes them on a stop signal.
// Limits heap growth between garbage collections: by default an upload takes 450 MB where 250 MB suffice.
setFlagsFromString('--heap-growing-percent=100');

let database: Database | undefined;
try {
  const { config, warnings } = loadConfig(process);
  const log = await createLogger(config.LOG_LEVEL, process.stderr.isTTY);
  for (const warning of warnings) log.warn(warning);
  const stopping = awaitStop();

  // Start PostgreSQL while the rest of the program loads.
  const opening = openDatabase(
    {
      url: config.DATABASE_URL,
      dataDir: config.DATA_DIR,
      poolSize: config.DATABASE_POOL_SIZE,
      isKeptRunning: true,
      mustBeWritable: true,
    },
    log,
  );
  const [opened, { openApp }] = await Promise.all([opening, import('./app.ts')]);
  database = opened;
  const app = await openApp(config, database, log);
  // A generated key is shown even if the server is stopping: it is never shown again.
  if (!stopping.isBegun() || app.createdKey) process.stdout.write(describeStart(app));

  log.info({ reason: await stopping.begun }, 'stopping');
  await app.close();
  await database.close();
  log.info('stopped');
  process.exit(0);
} catch (error) {
  await database?.close();
  // An operator's error is shown as one line, an internal error with its stack.
  const reason = explainMissingPrivilege(error);
  const text = reason instanceof OperatorError ? reason.message : ((reason as Error).stack ?? String(reason));
  process.stderr.write(text.replace(/^/gm, 'group-api: ') + '\n');
  process.exit(1);
}

/**
 * Listens for stop signals from the beginning, so that one during the start leaves no running database. Signals after
 * the first are ignored: npm forwards those that the terminal has already sent.
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
