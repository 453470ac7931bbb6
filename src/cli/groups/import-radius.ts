import { Command } from 'commander';
import { OperatorError } from '../../errors.ts';
import type { ConvertedGroup } from '../../transfer/radius-groups.ts';
import { withAbortSignal } from '../../process/stop-signals.ts';
import { openOutputFile } from '../output-file.ts';
import { formatCount, print, writeLine } from '../output.ts';

type ImportRadiusOptions = {
  from: string;
  checkTable: string;
  replyTable: string;
  usergroupTable: string;
  tag: string;
  duration: string;
  price: string;
  force?: true;
  json?: true;
};

/** `group-api groups import-radius`: writes a file for `groups import` from FreeRADIUS' tables. */
export function createImportRadiusCommand(): Command {
  return new Command('import-radius')
    .description('Convert the groups of a FreeRADIUS or daloRADIUS database to a file for `groups import`')
    .argument('[file]', 'output file, as lines of JSON; "-" or omitted: standard output')
    .requiredOption('--from <url>', 'PostgreSQL with the tables of FreeRADIUS, as postgresql://…')
    .option('--check-table <name>', 'table of check attributes', 'radgroupcheck')
    .option('--reply-table <name>', 'table of reply attributes', 'radgroupreply')
    .option('--usergroup-table <name>', 'table of the users of groups, which are counted', 'radusergroup')
    .option('--tag <name>', 'tagName of the groups', 'radius')
    .option('--duration <days>', 'duration of groups without Expire-After', '30')
    .option('--price <price>', 'price of the groups', '0.00')
    .option('--force', 'replace an existing file')
    .option('--json', 'print JSON: the file and the groups; requires a file')
    .addHelpText(
      'after',
      `
Changes nothing, neither in that database nor in that of the server. Look at the file and at the attributes on standard error
that are not understood, edit the file, then import it with \`groups import <file> --new-ids\`. The groups are hidden. Users
are not converted, since these tables have no dates of subscriptions: \`subscribers add\` adds them.

Simultaneous-Use and Port-Limit become multiLoginCount (without either: 0, no limit); Mikrotik-Rate-Limit, or else
WISPr-Bandwidth-Max-Down and -Up, downloadUpload; Max-Daily-Octets, Max-Daily-Session-Traffic or CS-Total-Octets-Daily,
dailyBandwidth; Expire-After, duration; Framed-IP-Address or Framed-IPv6-Address, ip.

A password in a URL is visible to other users of the machine: set PGPASSWORD instead.
Tables of MySQL can be copied to PostgreSQL first, for example by pgloader.

Example:
  PGPASSWORD=… group-api groups import-radius --from postgresql://radius@db/radius plans.ndjson`,
    )
    .action(importRadius);
}

async function importRadius(file: string | undefined, options: ImportRadiusOptions): Promise<void> {
  const isStandardOutput = file === undefined || file === '-';
  if (isStandardOutput && (options.json || options.force))
    throw new OperatorError(`--${options.json ? 'json' : 'force'} requires a file`);
  const { readRadiusGroups, writeRadiusGroups } = await import('../../transfer/radius-groups.ts');
  const duration = /^\d{1,9}$/.test(options.duration) ? Number(options.duration) : undefined;
  if (duration === undefined)
    throw new OperatorError(`--duration must be a number of days, not ${options.duration}`);
  const url = await requirePostgresUrl(options.from);
  const groups = await withAbortSignal(async (signal) => {
    const { explainLostConnection, openConnection } = await import('../../backup/connection.ts');
    const connection = await openConnection({ url, dataDir: '', signal });
    try {
      return await readRadiusGroups(
        connection.pool,
        { check: options.checkTable, reply: options.replyTable, userGroup: options.usergroupTable },
        { tagName: options.tag, duration, price: options.price },
      );
    } catch (error) {
      throw explainLostConnection(error, connection);
    } finally {
      await connection.close();
    }
  });
  for (const { name, problems } of groups)
    for (const { text, reason } of problems) writeLine(`${name}: ${text}: ${reason}`);
  const text = writeRadiusGroups(groups, new Date());
  const summary = describeGroups(groups);
  if (isStandardOutput) {
    process.stdout.write(text);
    writeLine(summary);
    return;
  }
  const output = await openOutputFile(file, options.force ?? false);
  try {
    await new Promise<void>((resolve, reject) => {
      output.stream.once('error', reject).once('close', resolve).end(text);
    });
    await output.finish();
  } catch (error) {
    await output.discard();
    throw output.explain(error);
  }
  const list = groups.map(({ name, userCount, problems, record }) => ({
    name,
    userCount,
    isWritten: record !== undefined,
    problems,
  }));
  print(options.json, { file, groups: list }, `${summary} File: ${file}`);
}

/** @throws OperatorError */
async function requirePostgresUrl(url: string): Promise<string> {
  const { parseDatabaseUrl } = await import('../../postgres/database-url.ts');
  try {
    parseDatabaseUrl(url);
  } catch (error) {
    const advice = /^\w+:\/\//.test(url)
      ? '. Tables of another database, such as MySQL: copy them to PostgreSQL first'
      : '';
    throw new OperatorError(`--from must be ${(error as Error).message}${advice}`);
  }
  return url;
}

function describeGroups(groups: readonly ConvertedGroup[]): string {
  const written = groups.filter(({ record }) => record !== undefined);
  const problemCount = groups.reduce((sum, { problems }) => sum + problems.length, 0);
  const userCount = groups.reduce((sum, group) => sum + group.userCount, 0);
  return (
    `Converted ${formatCount(written.length, 'group')} of ${groups.length}, with ${formatCount(userCount, 'user')} in them; ` +
    `${formatCount(problemCount, 'attribute')} not understood.`
  );
}
