import { Command } from 'commander';
import {
  adminUsername,
  parseExpiry,
  parseNetworks,
  parsePassword,
  parseScopes,
  parseUsername,
  type Account,
} from '../accounts/account.ts';
import type { AccountChanges, AccountRepository } from '../accounts/account-repository.ts';
import { createApiKey, hashApiKey } from '../accounts/api-key.ts';
import { allScopes } from '../accounts/scopes.ts';
import type { Config } from '../config/settings.ts';
import { OperatorError } from '../errors.ts';
import { ask, askPassword, readSecretInput } from './prompts.ts';
import { formatTable, print } from './output.ts';
import { createCommandCall, withDatabase } from './command-context.ts';

type PasswordOptions = { password?: true; passwordStdin?: true };
type CreateOptions = PasswordOptions & {
  scope: string[];
  network: string[];
  expires?: string;
  apiKey: boolean;
  requireBoth?: true;
  json?: true;
};

type RotateOptions = PasswordOptions & { apiKeyStdin?: true; json?: true };
type EditOptions = Pick<CreateOptions, 'scope' | 'network' | 'expires' | 'json'>;

/** `group-api accounts …`: manages the accounts that may call the API. */
export function createAccountsCommand(): Command {
  const accounts = new Command('accounts')
    .description('Manage the accounts that may call the API, and their credentials')
    .addHelpText('after', '\nExample:\n  group-api accounts create shop --scope groups:read,groups:delete');

  accounts
    .command('create')
    .description('Create an account. Its API key is shown only once')
    .argument('[username]', 'letters, digits and . _ @ + -')
    .option('--scope <scopes>', 'allowed operations; comma-separated or repeated', collect, [])
    .option(
      '--network <networks>',
      'allowed client addresses or CIDR blocks; comma-separated or repeated',
      collect,
      [],
    )
    .option('--expires <date>', 'expiry date, such as 2030-01-01')
    .option('--password', 'prompt for a password')
    .option('--password-stdin', 'read the password from standard input')
    .option('--no-api-key', 'create no API key')
    .option('--require-both', 'require the API key and the password together')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Scopes: ${allScopes.join(' ')}

Examples:
  group-api accounts create shop --scope groups:read,groups:delete
  group-api accounts create backoffice --scope '*' --network 10.0.0.0/8 --password
  read -rs PASSWORD && printf %s "$PASSWORD" | group-api accounts create test --scope groups:delete --password-stdin --json`,
    )
    .action(createAccount);

  accounts
    .command('list')
    .description('List the accounts')
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExamples:\n  group-api accounts list\n  group-api accounts list --json`)
    .action(listAccounts);

  accounts
    .command('edit')
    .description('Change an account; options not given are left unchanged')
    .argument('<username>')
    .option('--scope <scopes>', 'replace the scopes', collect, [])
    .option('--network <networks>', 'replace the allowed networks; "any" allows all', collect, [])
    .option('--expires <date>', 'expiry date, or "never"')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExamples:\n  group-api accounts edit shop --scope groups:read --network any\n  group-api accounts edit shop --expires 2030-01-01`,
    )
    .action(changeAccount);

  accounts
    .command('rotate')
    .description('Create a new API key, which is shown only once. The old key stops working')
    .argument('<username>')
    .option(
      '--api-key-stdin',
      'read the new API key from standard input, for example one that clients already use',
    )
    .option('--password', 'prompt for a new password instead')
    .option('--password-stdin', 'read the new password from standard input instead')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExamples:\n  group-api accounts rotate shop\n  group-api accounts rotate shop --password`,
    )
    .action(rotateCredential);

  for (const [name, disabled, description] of [
    ['disable', true, 'Disable an account on every server'],
    ['enable', false, 'Enable a disabled account'],
  ] as const) {
    accounts
      .command(name)
      .description(description)
      .argument('<username>')
      .option('--json', 'print JSON')
      .addHelpText('after', `\nExample:\n  group-api accounts ${name} shop`)
      .action(async (username: string, { json }: { json?: true }) => {
        await editAccount(`accounts ${name}`, username, { disabled }, (account) =>
          print(json, account, `Account ${username} is ${name}d`),
        );
      });
  }

  accounts
    .command('remove')
    .description('Remove an account permanently')
    .argument('<username>')
    .option('--yes', 'skip the confirmation')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExamples:\n  group-api accounts remove shop\n  group-api accounts remove shop --yes --json`,
    )
    .action(removeAccount);

  return accounts;
}

async function createAccount(usernameArgument: string | undefined, options: CreateOptions): Promise<void> {
  const username = parseUsername(
    usernameArgument ?? (await ask('Username: ', 'pass the username as an argument')),
  );
  const scopes = parseScopes(
    options.scope.length > 0
      ? options.scope
      : collect(await ask(`Scopes (${allScopes.join(' ')}): `, 'pass --scope')),
  );
  const allowedNetworks = parseNetworks(options.network);
  const expiresAt = options.expires === undefined ? null : parseExpiry(options.expires);
  const hasPassword = options.password ?? options.passwordStdin ?? false;
  if (!options.apiKey && !hasPassword) {
    throw new OperatorError(
      'An account needs an API key or a password: omit --no-api-key, or pass --password',
    );
  }
  const requiresBoth = options.requireBoth ?? false;
  if (requiresBoth && !(options.apiKey && hasPassword)) {
    throw new OperatorError(
      '--require-both requires an API key and a password: omit --no-api-key, and pass --password',
    );
  }

  const password = hasPassword ? await readPassword(options) : undefined;
  const apiKey = options.apiKey ? createApiKey() : undefined;
  await withAccounts(async (accounts) => {
    const account = await accounts.create(
      {
        username,
        scopes,
        allowedNetworks,
        expiresAt,
        requiresBoth,
        apiKeyHash: apiKey === undefined ? null : hashApiKey(apiKey),
        passwordHash: password === undefined ? null : await hash(password),
      },
      createCommandCall('accounts create', [username]),
    );
    // Before the database is closed, which may fail: the key cannot be shown again.
    print(options.json, { ...account, apiKey }, describeNewKey(`Created account ${username}`, apiKey));
  });
}

async function changeAccount(username: string, options: EditOptions): Promise<void> {
  const { scope, network, expires, json } = options;
  const changes: AccountChanges = {
    ...(scope.length > 0 && { scopes: parseScopes(scope) }),
    ...(network.length > 0 && { allowedNetworks: network.join() === 'any' ? [] : parseNetworks(network) }),
    ...(expires !== undefined && { expiresAt: expires === 'never' ? null : parseExpiry(expires) }),
  };
  if (Object.keys(changes).length === 0) throw new OperatorError('Pass --scope, --network or --expires');
  await editAccount('accounts edit', username, changes, (account) =>
    print(json, account, describeAccounts([account])),
  );
}

async function listAccounts({ json }: { json?: true }): Promise<void> {
  const accounts = await withAccounts((repository) => repository.list());
  print(json, accounts, describeAccounts(accounts));
}

async function rotateCredential(username: string, options: RotateOptions): Promise<void> {
  if (options.apiKeyStdin && (options.password || options.passwordStdin))
    throw new OperatorError('--api-key-stdin cannot be combined with --password or --password-stdin');
  if (options.password || options.passwordStdin) {
    const passwordHash = await hash(await readPassword(options));
    const report = (account: Account) =>
      print(options.json, account, `Changed the password of account ${username}`);
    await editAccount('accounts rotate', username, { passwordHash }, report, requirePassword);
    return;
  }
  const clientKey = options.apiKeyStdin && (await parseClientKey(await readSecretInput()));
  const apiKey = clientKey ?? createApiKey();
  const apiKeyHash = hashApiKey(apiKey);
  const message = `Changed the API key of account ${username}; the old key no longer works`;
  const report = (account: Account) => {
    if (clientKey) print(options.json, account, message);
    else print(options.json, { ...account, apiKey }, describeNewKey(message, apiKey));
  };
  await editAccount('accounts rotate', username, { apiKeyHash }, report, requireApiKey);
}

async function removeAccount(username: string, { yes, json }: { yes?: true; json?: true }): Promise<void> {
  if (!yes) {
    const answer = await ask(`Remove the account ${username} permanently? (yes/no) `, 'pass --yes');
    if (answer !== 'yes') throw new OperatorError('Nothing was removed');
  }
  const account = await withAccounts((accounts) =>
    accounts.delete(username, createCommandCall('accounts remove', [username])),
  );
  const note = username === adminUsername ? '; it will be recreated when a server starts' : '';
  print(json, account, `Removed account ${username}${note}`);
}

async function withAccounts<T>(
  work: (accounts: AccountRepository, config: Config) => Promise<T>,
): Promise<T> {
  return withDatabase(({ accounts, config }) => work(accounts, config));
}

/** Edits an account, and calls `report` before the database is closed, which may fail: a key cannot be shown again. */
async function editAccount(
  operation: string,
  username: string,
  changes: AccountChanges,
  report: (account: Account) => void,
  requirement?: (account: Account, config: Config) => void,
): Promise<void> {
  await withAccounts(async (accounts, config) => {
    const call = createCommandCall(operation, [username]);
    report(await accounts.edit(username, changes, call, (account) => requirement?.(account, config)));
  });
}

/** @throws OperatorError */
async function parseClientKey(text: string): Promise<string> {
  const { parseApiKey } = await import('../config/setting-parsers.ts');
  try {
    return parseApiKey(text);
  } catch (error) {
    throw new OperatorError(`The API key must be ${(error as Error).message}`);
  }
}

/** Rotation replaces a credential; it never adds one that the account was created without. */
function requireApiKey({ username, hasApiKey }: Account, { ADMIN_API_KEY }: Config): void {
  if (!hasApiKey) {
    throw new OperatorError(`Account ${username} has no API key; use --password to change its password`);
  }
  if (username === adminUsername && ADMIN_API_KEY !== undefined) {
    throw new OperatorError(
      'The API key of admin is set by ADMIN_API_KEY: change it there, and restart the servers',
    );
  }
}

function requirePassword({ username, hasPassword }: Account): void {
  if (!hasPassword)
    throw new OperatorError(`Account ${username} has no password; omit --password to rotate its API key`);
}

/** Hashes a password as the server does. */
async function hash(password: string): Promise<string> {
  const { hashPassword } = await import('../accounts/password.ts');
  return hashPassword(password);
}

async function readPassword({ passwordStdin }: PasswordOptions): Promise<string> {
  return parsePassword(passwordStdin ? await readSecretInput() : await askPassword('use --password-stdin'));
}

/** Appends the items of a comma-separated list to those of earlier uses of the option. */
function collect(text: string, previous: readonly string[] = []): string[] {
  return [...previous, ...text.split(/[\s,]+/).filter((item) => item !== '')];
}

function describeNewKey(message: string, apiKey: string | undefined): string {
  return apiKey === undefined ? message : `${message}\nAPI key, shown only once: ${apiKey}`;
}

function describeAccounts(accounts: readonly Account[]): string {
  return formatTable(['USERNAME', 'CREDENTIALS', 'SCOPES', 'NETWORKS', 'STATE'], accounts.map(toCells));
}

function toCells(account: Account): string[] {
  const { username, scopes, allowedNetworks, disabled, expiresAt } = account;
  const credentials = [account.hasApiKey && 'api-key', account.hasPassword && 'password'].filter(Boolean);
  const hasExpired = expiresAt !== null && expiresAt <= new Date();
  const expiry = expiresAt && `${hasExpired ? 'expired' : 'expires'} ${expiresAt.toISOString()}`;
  return [
    username,
    credentials.join(account.requiresBoth ? ' with ' : ' or '),
    scopes.join(','),
    allowedNetworks.join(',') || 'any',
    disabled ? 'disabled' : (expiry ?? 'enabled'),
  ];
}
