import { Command } from 'commander';
import { inspectConfig, type InspectedConfig } from '../config/settings.ts';
import { checkDataFolder } from '../doctor/check-data-folder.ts';
import { checkDatabase } from '../doctor/check-database.ts';
import { ok, warning, wrong, type Check } from '../doctor/check-result.ts';
import { readDatabaseUrl } from '../database/database-url.ts';
import { openEmbeddedPostgres } from '../embedded-postgres/cluster.ts';
import { describeEmbedded } from '../database/database.ts';
import { OperatorError } from '../errors.ts';
import { formatTable, print } from './output.ts';
import { exitCodes } from './command-errors.ts';
import { stoppable } from './abort-on-signal.ts';

/** `group-api doctor`: what would keep a server from working. */
export function createDoctorCommand(): Command {
  return new Command('doctor')
    .description('Check the settings, the database, its permissions and clocks. It changes nothing')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
An embedded PostgreSQL that does not run is started for it, and stopped again. It fails where something is wrong; warnings are not.

Examples:
  group-api doctor
  DATABASE_URL=postgresql://group_api@db/groups group-api doctor --json`,
    )
    .action(examine);
}

async function examine({ json }: { json?: true }): Promise<void> {
  const inspected = inspectConfig(process);
  const checks = await stoppable(async (signal) => {
    const found = [...(await checkSettings(inspected)), ...(await checkStorage(inspected))];
    signal.throwIfAborted();
    return found;
  });
  const isWrong = checks.some(({ state }) => state === 'wrong');
  const rows = checks.map(({ state, name, message }) => [state, name, message]);
  print(json, { isWrong, checks }, formatTable(['STATE', 'CHECK', 'FOUND'], rows));
  if (isWrong) process.exitCode = exitCodes.failed;
}

/** Each problem is a line of its own. */
async function checkSettings({ config, problems, warnings }: InspectedConfig): Promise<Check[]> {
  const unusable = await Promise.all([
    findOperatorError(() => loadCertificate(config)),
    findOperatorError(() => loadAllowedOperations(config)),
  ]);
  const all = [...problems, ...unusable.flat()];
  const doubts = warnings.map((each) => warning('settings', each));
  if (all.length > 0) return [...all.map((problem) => wrong('settings', problem)), ...doubts];
  return [ok('settings', 'Each has a value that it takes'), ...doubts];
}

async function findOperatorError(attempt: () => Promise<void>): Promise<string[]> {
  try {
    await attempt();
    return [];
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [error.message];
  }
}

type InspectedValues = InspectedConfig['config'];

async function loadCertificate({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile }: InspectedValues) {
  if (certFile === undefined || keyFile === undefined) return;
  const { readCertificate } = await import('../http/tls.ts');
  readCertificate({ certFile, keyFile });
}

async function loadAllowedOperations({ ALLOWED_OPERATIONS_FILE: file }: InspectedValues) {
  if (file === undefined) return;
  // Other commands have no use for the schema, which takes long to load.
  const [{ readAllowedOperations }, { createSchema }] = await Promise.all([
    import('../graphql/request/allowed-operations.ts'),
    import('../graphql/schema.ts'),
  ]);
  readAllowedOperations(file, createSchema());
}

async function checkStorage({ config, problems }: InspectedConfig): Promise<Check[]> {
  const isKnown = !problems.some((problem) => /^(DATABASE_URL|DATA_DIR|\.env,?) /.test(problem));
  if (!isKnown) return [wrong('database', 'It cannot be looked for before the settings are right')];
  const url = config.DATABASE_URL;
  return url === undefined ? checkEmbedded(config.DATA_DIR!) : checkUrl(url);
}

/** A file that the URL names may be gone since the settings were read. */
async function checkUrl(url: string): Promise<Check[]> {
  try {
    return await checkDatabase(readDatabaseUrl(url));
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [wrong('database', error.message)];
  }
}

async function checkEmbedded(dataDir: string): Promise<Check[]> {
  const { checks, hasCluster } = await checkDataFolder(dataDir, process.getuid?.());
  if (!hasCluster) return checks;
  try {
    const postgres = await openEmbeddedPostgres(dataDir);
    try {
      return [...checks, ...(await checkDatabase(describeEmbedded(postgres, dataDir)))];
    } finally {
      await postgres.close();
    }
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [...checks, wrong('database', error.message)];
  }
}
