import { setFlagsFromString } from 'node:v8';
import { listenToStop } from './cli/abort-on-signal.ts';
import { loadConfig } from './config/settings.ts';
import { explainMissingPrivilege } from './database/missing-privilege.ts';
import { openDatabase, type Database } from './database/database.ts';
import { OperatorError } from './errors.ts';
import { createLogger } from './log.ts';
import { describeStart } from './cli/startup-banner.ts';

// The process: settings, open, listen, stop on a signal. Everything else is in app.ts.
// V8 lets the heap grow to several times of what lives before it searches it: 450 MB in an upload where 250 MB do.
setFlagsFromString('--heap-growing-percent=100');

let database: Database | undefined;
try {
  const { config, warnings } = loadConfig(process);
  const log = await createLogger(config.LOG_LEVEL, process.stderr.isTTY);
  for (const warning of warnings) log.warn(warning);
  const stopping = awaitStop();

  // PostgreSQL starts while the rest of the program is loaded.
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
  // A key that was made is shown in any case: it is never shown again.
  if (!stopping.isBegun() || app.createdKey) process.stdout.write(describeStart(app));

  log.info({ reason: await stopping.begun }, 'stopping');
  await app.close();
  await database.close();
  log.info('stopped');
  process.exit(0);
} catch (error) {
  await database?.close();
  // An operator's mistake is a line that says what to do; a fault of ours shows where it came from.
  const reason = explainMissingPrivilege(error);
  const text = reason instanceof OperatorError ? reason.message : ((reason as Error).stack ?? String(reason));
  process.stderr.write(text.replace(/^/gm, 'group-api: ') + '\n');
  process.exit(1);
}

/**
 * Listens from the beginning, so that a signal during the start leaves no database behind. Signals after the first are ignored: npm
 * passes on those that the terminal has sent already.
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
