import { existsSync } from 'node:fs';
import { chown } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { requireServiceUser } from '../../src/embedded-postgres/service-user.ts';
import { digestTables, readSequences } from '../support/backup.ts';
import { bin, createCommandLine } from '../support/command-line.ts';
import { createShell, readBlocks, withValue } from '../support/documented-commands.ts';
import { startTcpPostgres, type TcpPostgres } from '../support/tcp-postgres.ts';
import { useTestDatabase } from '../support/test-database.ts';
import { useTestFolder } from '../support/test-folder.ts';

// docs/operations.md, "pg_dump": its commands, from one PostgreSQL 15 into another, with other ports.

const binDir = '/usr/lib/postgresql/15/bin';
const isInstalled = existsSync(binDir);
if (!isInstalled) process.stderr.write('pg_dump is not tried, since PostgreSQL 15 is not installed\n');
const testIfInstalled = isInstalled ? test : test.skip;

const folder = useTestFolder();
const hba = ['host all all 127.0.0.0/8 trust'];
let [from, to]: TcpPostgres[] = [];
beforeAll(async () => {
  if (!isInstalled) return;
  [from, to] = await Promise.all([startTcpPostgres(hba, binDir), startTcpPostgres(hba, binDir)]);
  await from.sql('CREATE ROLE plans_owner LOGIN');
  await from.sql('CREATE DATABASE plans OWNER plans_owner');
}, 120_000);
afterAll(async () => {
  await from?.close();
  await to?.close();
});

testIfInstalled(
  'the documented commands dump a database and restore it on another server, where doctor accepts the role of the server',
  async () => {
    const urlOn = ({ port }: TcpPostgres) => `postgresql://plans_owner@127.0.0.1:${port}/plans`;
    const { run } = createCommandLine(() => ({ url: urlOn(from!) }));
    expect(await run('migrate')).toMatchObject({ code: 0, stderr: '' });
    const created = await run(
      'groups',
      'create',
      '--name',
      'Gold',
      '--tag-name',
      't',
      '--duration',
      '1',
      '--price',
      '1',
    );
    expect(created).toMatchObject({ code: 0, stderr: '' });

    const runAs = process.getuid?.() === 0 ? await requireServiceUser() : undefined;
    if (runAs) await chown(folder, runAs.uid, runAs.gid);
    const shellOn = ({ port }: TcpPostgres, asRoot = false) =>
      createShell({
        folder,
        runAs: asRoot ? undefined : runAs,
        env: { PGPORT: String(port) },
        programs: { npx: `shift 2; exec ${process.execPath} ${bin} "$@"` },
      });
    const [dump, restore, doctor] = await readBlocks('docs/operations.md', 'pg_dump');
    await (
      await shellOn(from!)
    )(dump!.text);
    await (
      await shellOn(to!)
    )(restore!.text);
    const [grants] = await readBlocks('docs/operations.md', 'The database role');
    // The role exists already, and the owner runs the GRANTs.
    const statements = grants!.text.replace(/^CREATE ROLE .*\n/, '');
    await (
      await shellOn(to!)
    )(`psql --host=localhost --username=plans_owner plans <<'SQL'\n${statements}SQL`);
    const report = await (
      await shellOn(to!, true)
    )(withValue(doctor!.text, '@localhost/', `@127.0.0.1:${to!.port}/`));
    expect(report).toMatch(/^ok +migrations /m);
    expect(report).not.toMatch(/^error /m);

    const databases = [from!, to!].map((server) => useTestDatabase(urlOn(server)));
    const [source, target] = await Promise.all(
      databases.map(async (database) => [await digestTables(database), await readSequences(database)]),
    );
    for (const database of databases) await database.drop();
    expect(target).toStrictEqual(source);
  },
  300_000,
);
