import { Command } from 'commander';
import type { InspectedConfig } from '../config/load-config.ts';
import type { CheckedSettings } from '../doctor/check-database.ts';
import { failed, passed, warned, type CheckResult } from '../doctor/check-result.ts';
import { OperatorError } from '../errors.ts';
import { formatTable, print } from './output.ts';
import { exitCodes } from './command-errors.ts';
import { withAbortSignal } from '../process/stop-signals.ts';

/** `group-api doctor`: finds what would prevent a server from working. */
export function createDoctorCommand(): Command {
  return new Command('doctor')
    .description(
      'Check the settings and the database: connection, migrations, privileges, clock. Changes nothing',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A stopped embedded PostgreSQL is started for the checks, and stopped again.
Exits with 1 if a check fails; warnings do not affect the exit code.

Examples:
  group-api doctor
  DATABASE_URL=postgresql://group_api@db/groups group-api doctor --json`,
    )
    .action(runChecks);
}

async function runChecks({ json }: { json?: true }): Promise<void> {
  const { inspectConfig } = await import('../config/load-config.ts');
  const inspected = inspectConfig(process);
  const checks = await withAbortSignal(async (signal) => {
    const results = [...(await checkSettings(inspected)), ...(await checkStorage(inspected))];
    signal.throwIfAborted();
    return results;
  });
  const isWrong = checks.some(({ state }) => state === 'wrong');
  const rows = checks.map(({ state, name, message }) => [state === 'wrong' ? 'error' : state, name, message]);
  print(json, { isWrong, checks }, formatTable(['STATUS', 'CHECK', 'DETAILS'], rows));
  if (isWrong) process.exitCode = exitCodes.failed;
}

/** Returns one result per problem. */
async function checkSettings({ config, problems, warnings }: InspectedConfig): Promise<CheckResult[]> {
  const fileProblems = await Promise.all([
    findOperatorError(() => checkCertificate(config)),
    findOperatorError(() => checkAllowedOperations(config)),
  ]);
  const all = [...problems, ...fileProblems.flat()];
  const settingWarnings = warnings.map((message) => warned('settings', message));
  if (all.length > 0) return [...all.map((problem) => failed('settings', problem)), ...settingWarnings];
  return [passed('settings', 'All settings are valid'), ...settingWarnings];
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

async function checkCertificate({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile }: InspectedValues) {
  if (certFile === undefined || keyFile === undefined) return;
  const { readCertificate } = await import('../http/tls.ts');
  readCertificate({ certFile, keyFile });
}

async function checkAllowedOperations({ ALLOWED_OPERATIONS_FILE: file }: InspectedValues) {
  if (file === undefined) return;
  // Other commands have no use for the schema, which takes long to load.
  const { readAllowedOperations } = await import('../graphql/request/allowed-operations.ts');
  const { createSchema } = await import('../graphql/schema.ts');
  readAllowedOperations(file, createSchema());
}

async function checkStorage({ config, problems }: InspectedConfig): Promise<CheckResult[]> {
  const hasValidUrl = !problems.some((problem) => /^(DATABASE_URL|DATA_DIR|\.env,?) /.test(problem));
  if (!hasValidUrl) return [failed('database', 'Skipped: fix the settings first')];
  const { DATABASE_URL: url, RADIUS, RADIUS_DISCONNECT: isSending = RADIUS } = config;
  const accountingSchema = isSending ? config.RADIUS_ACCOUNTING_SCHEMA : undefined;
  return url === undefined
    ? checkEmbedded(config.DATA_DIR!, { hasPreparedStatements: true, accountingSchema })
    : checkUrl(url, {
        hasPreparedStatements: config.DATABASE_PREPARED_STATEMENTS ?? true,
        accountingSchema,
      });
}

/** A file that the URL names may be gone since the settings were read. */
async function checkUrl(url: string, checked: CheckedSettings): Promise<CheckResult[]> {
  const { checkDatabase } = await import('../doctor/check-database.ts');
  const { readDatabaseUrl } = await import('../postgres/database-url.ts');
  try {
    return await checkDatabase(readDatabaseUrl(url), checked);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [failed('database', error.message)];
  }
}

async function checkEmbedded(dataDir: string, checked: CheckedSettings): Promise<CheckResult[]> {
  const { checkDataFolder } = await import('../doctor/check-data-folder.ts');
  const { checkDatabase } = await import('../doctor/check-database.ts');
  const { openEmbeddedPostgres } = await import('../embedded-postgres/cluster.ts');
  const { describeEmbedded } = await import('../database/database.ts');
  const { checks, hasCluster } = await checkDataFolder(dataDir, process.getuid?.());
  if (!hasCluster) return checks;
  try {
    const postgres = await openEmbeddedPostgres(dataDir);
    try {
      return [...checks, ...(await checkDatabase(describeEmbedded(postgres, dataDir), checked))];
    } finally {
      await postgres.close();
    }
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [...checks, failed('database', error.message)];
  }
}
