import { execFile } from 'node:child_process';
import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from '@jest/globals';
import type { Config } from '../../src/config/settings.ts';
import { bin } from './command-line.ts';
import { createShell, readBlocks, withValue } from './documented-commands.ts';
import {
  debianConfiguration,
  hasFreeRadius,
  sendPacket,
  startFreeRadius,
  type FreeRadius,
  type RadiusAttributes,
  type RadiusResponse,
} from './freeradius.ts';
import { startTcpPostgres } from './tcp-postgres.ts';
import { openTestApp, type TestApp } from './test-app.ts';
import { useTestDatabase, type TestDatabase } from './test-database.ts';
import { createTestFolder } from './test-folder.ts';

/** The passwords of docs/radius.md. */
const passwords = { plans: 'first-password', freeradius: 'third-password' };
const root = fileURLToPath(new URL('../..', import.meta.url));
/** The NAS of the tests has its own address, as `localhost` is a client of Debian's configuration. */
export const nas = { address: '127.0.0.2', secret: 'a-long-random-secret' };

/** PostgreSQL and FreeRADIUS as docs/radius.md sets them up, by its commands. */
export type RadiusNetwork = {
  /** The tables of group-api, as their owner, which is the role of the server, too. */
  readonly plans: TestDatabase;
  /** FreeRADIUS' own tables, as their owner. */
  readonly freeRadiusSql: TestDatabase['sql'];
  /** Runs a block of the document, with the places of the test. */
  run(block: string): Promise<string>;
  /** Starts FreeRADIUS, or restarts it. */
  restart(): Promise<void>;
  radius(): FreeRadius;
  close(): Promise<void>;
};

export async function openRadiusNetwork(): Promise<RadiusNetwork> {
  const postgres = await startTcpPostgres();
  const folder = await createTestFolder();
  const configuration = join(folder, 'raddb');
  const defaults = join(folder, 'defaults');
  // With its owner: FreeRADIUS, started as root, changes to this user.
  await promisify(execFile)('cp', ['-a', debianConfiguration, configuration]);
  await symlink(join(root, 'deploy'), join(folder, 'deploy'));
  const runAsIs = await createShell({
    folder,
    runAs: undefined,
    env: {
      PGHOST: '127.0.0.1',
      PGPORT: String(postgres.port),
      PGUSER: 'postgres',
      PGPASSWORD: passwords.freeradius,
    },
    programs: {
      sudo: '[ "$1" = -u ] && shift 2; exec "$@"',
      npx: `shift 2; exec ${process.execPath} ${bin} "$@"`,
      // The test restarts it.
      systemctl: 'true',
    },
  });
  const run = (block: string) =>
    runAsIs(
      block
        .replaceAll(debianConfiguration, configuration)
        .replaceAll('/etc/default/freeradius', defaults)
        .replaceAll('@localhost/', `@127.0.0.1:${postgres.port}/`)
        .replaceAll('host=localhost dbname', `host=127.0.0.1 port=${postgres.port} dbname`),
    );
  for (const heading of ['The databases', 'FreeRADIUS'])
    for (const { text } of await readBlocks('docs/radius.md', heading)) await run(text);

  const urlAs = (role: keyof typeof passwords) =>
    `postgresql://${role}:${passwords[role]}@127.0.0.1:${postgres.port}/plans`;
  const plans = useTestDatabase(urlAs('plans'));
  const freeRadius = useTestDatabase(`${urlAs('freeradius')}?schema=freeradius`);
  let radius: FreeRadius | undefined;
  return {
    plans,
    freeRadiusSql: freeRadius.sql,
    run,
    async restart() {
      await radius?.close();
      radius = await startFreeRadius(configuration, await readEnvironment(defaults));
    },
    radius: () => radius!,
    async close() {
      await radius?.close();
      await freeRadius.drop();
      await postgres.close();
    },
  };
}

/** Reads a file of variables as systemd does. */
async function readEnvironment(file: string): Promise<Record<string, string>> {
  const lines = (await readFile(file, 'utf8')).matchAll(/^(\w+)="(.*)"$/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name!, value!]));
}

/** An app on the network's database, with FreeRADIUS and a NAS. */
export type RadiusApp = TestApp & {
  readonly network: RadiusNetwork;
  /** Stores the password of a RADIUS user. */
  addPassword(user: string): Promise<void>;
  /** Signs a user in by PAP, as the NAS. */
  signIn(user: string, attributes?: RadiusAttributes): Promise<RadiusResponse>;
  /** Sends an Accounting-Request, as the NAS. */
  account(
    user: string,
    status: 'Start' | 'Interim-Update' | 'Stop',
    session: string,
    attributes?: RadiusAttributes,
  ): Promise<RadiusResponse>;
};

/**
 * Opens the network and a server for all tests of the file, if FreeRADIUS is installed. `prepare` runs before the server
 * starts, and returns its settings.
 */
export function useRadiusApp(
  prepare: (network: RadiusNetwork) => Promise<Partial<Config>> = async () => ({}),
): RadiusApp {
  const app = {} as RadiusApp;
  beforeAll(async () => {
    if (hasFreeRadius) Object.assign(app, await openRadiusApp(prepare));
  }, 180_000);
  afterAll(async () => {
    await app.close?.();
    await app.network?.close();
  });
  return app;
}

async function openRadiusApp(
  prepare: (network: RadiusNetwork) => Promise<Partial<Config>>,
): Promise<RadiusApp> {
  const network = await openRadiusNetwork();
  const insertNas = (await readBlocks('docs/radius.md', 'A plan, a user, a login')).at(-2)!;
  await network.run(withValue(insertNas.text, '192.0.2.10', nas.address));
  await network.restart();
  const app = await openTestApp(await prepare(network), network.plans);
  const from = { 'Packet-Src-IP-Address': nas.address, 'NAS-IP-Address': nas.address };
  return {
    ...app,
    network,
    async addPassword(user) {
      await network.freeRadiusSql(
        `INSERT INTO radcheck (username, attribute, op, value) VALUES ($1, 'Cleartext-Password', ':=', $2)`,
        [user, `password of ${user}`],
      );
    },
    signIn: (user, attributes = {}) =>
      sendPacket('auth', network.radius().port, nas.secret, {
        'User-Name': user,
        'User-Password': `password of ${user}`,
        ...from,
        ...attributes,
      }),
    account: (user, status, session, attributes = {}) =>
      sendPacket('acct', network.radius().accountingPort, nas.secret, {
        'Acct-Status-Type': status,
        'Acct-Session-Id': session,
        'User-Name': user,
        ...from,
        ...attributes,
      }),
  };
}
