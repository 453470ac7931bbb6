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
import {
  createAccountRepository,
  type AccountChanges,
  type AccountRepository,
} from '../accounts/account-repository.ts';
import { createApiKey, hashApiKey } from '../accounts/api-key.ts';
import { hashPassword } from '../accounts/password.ts';
import { knownScopes } from '../accounts/scopes.ts';
import type { Config } from '../config/settings.ts';
import { OperatorError } from '../errors.ts';
import { parseApiKey } from '../config/setting-parsers.ts';
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

/** `group-api accounts …`: who may call the API. */
export function createAccountsCommand(): Command {
  const accounts = new Command('accounts')
    .description('Who may call the API, with which credentials')
    .addHelpText('after', '\nExample:\n  group-api accounts create shop --scope groups:read,groups:delete');

  accounts
    .command('create')
    .description('Create an account. Its API key is shown this once')
    .argument('[username]', 'letters, digits and . _ @ + -')
    .option('--scope <scopes>', 'what it may do: a list with commas, or repeated', collect, [])
    .option('--network <networks>', 'where it may be used: addresses or CIDR blocks', collect, [])
    .option('--expires <date>', 'when it expires, such as 2030-01-01')
    .option('--password', 'ask for a password')
    .option('--password-stdin', 'read the password from standard input')
    .option('--no-api-key', 'make no API key')
    .option('--require-both', 'the API key and the password only together')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Scopes: ${knownScopes.join(' ')}

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
    .description('Change what an account may do; what is not given stays as it is')
    .argument('<username>')
    .option('--scope <scopes>', 'what it may do, in place of before', collect, [])
    .option('--network <networks>', 'where it may be used, in place of before; "any": anywhere', collect, [])
    .option('--expires <date>', 'when it expires; "never": not at all')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExamples:\n  group-api accounts edit shop --scope groups:read --network any\n  group-api accounts edit shop --expires 2030-01-01`,
    )
    .action(changeAccount);

  accounts
    .command('rotate')
    .description('Make a new API key, which is shown this once. The old one stops working')
    .argument('<username>')
    .option(
      '--api-key-stdin',
      'read the new API key from standard input, such as one that clients already have',
    )
    .option('--password', 'ask for a new password instead')
    .option('--password-stdin', 'read the new password from standard input instead')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExamples:\n  group-api accounts rotate shop\n  group-api accounts rotate shop --password`,
    )
    .action(rotateCredential);

  for (const [name, disabled, description] of [
    ['disable', true, 'Stop an account from working, in every server'],
    ['enable', false, 'Let a disabled account work again'],
  ] as const) {
    accounts
      .command(name)
      .description(description)
      .argument('<username>')
      .option('--json', 'print JSON')
      .addHelpText('after', `\nExample:\n  group-api accounts ${name} shop`)
      .action(async (username: string, { json }: { json?: true }) => {
        const account = await editAccount(`accounts ${name}`, username, { disabled });
        print(json, account, `Account ${username} is ${name}d`);
      });
  }

  accounts
    .command('remove')
    .description('Remove an account for good')
    .argument('<username>')
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExamples:\n  group-api accounts remove shop\n  group-api accounts remove shop --yes --json`,
    )
    .action(removeAccount);

  return accounts;
}

async function createAccount(givenUsername: string | undefined, options: CreateOptions): Promise<void> {
  const username = parseUsername(
    givenUsername ?? (await ask('Username: ', 'give the username as an argument')),
  );
  const scopes = parseScopes(
    options.scope.length > 0
      ? options.scope
      : collect(await ask(`Scopes (${knownScopes.join(' ')}): `, 'give --scope')),
  );
  const allowedNetworks = parseNetworks(options.network);
  const expiresAt = options.expires === undefined ? null : parseExpiry(options.expires);
  const hasPassword = options.password ?? options.passwordStdin ?? false;
  if (!options.apiKey && !hasPassword) {
    throw new OperatorError(
      'An account needs an API key or a password: leave --no-api-key out, or add --password',
    );
  }
  const requiresBoth = options.requireBoth ?? false;
  if (requiresBoth && !(options.apiKey && hasPassword)) {
    throw new OperatorError('--require-both needs an API key and a password: add --password');
  }

  const password = hasPassword ? await readPassword(options) : undefined;
  const apiKey = options.apiKey ? createApiKey() : undefined;
  const account = await withAccounts(async (accounts) =>
    accounts.createAccount(
      {
        username,
        scopes,
        allowedNetworks,
        expiresAt,
        requiresBoth,
        apiKeyHash: apiKey === undefined ? null : hashApiKey(apiKey),
        passwordHash: password === undefined ? null : await hashPassword(password),
      },
      createCommandCall('accounts create', [username]),
    ),
  );
  print(options.json, { ...account, apiKey }, describeNewKey(`Account ${username} is created`, apiKey));
}

async function changeAccount(username: string, options: EditOptions): Promise<void> {
  const { scope, network, expires, json } = options;
  const changes: AccountChanges = {
    ...(scope.length > 0 && { scopes: parseScopes(scope) }),
    ...(network.length > 0 && { allowedNetworks: network.join() === 'any' ? [] : parseNetworks(network) }),
    ...(expires !== undefined && { expiresAt: expires === 'never' ? null : parseExpiry(expires) }),
  };
  if (Object.keys(changes).length === 0) throw new OperatorError('Give --scope, --network or --expires');
  const account = await editAccount('accounts edit', username, changes);
  print(json, account, describeAccounts([account]));
}

async function listAccounts({ json }: { json?: true }): Promise<void> {
  const accounts = await withAccounts((repository) => repository.accounts());
  print(json, accounts, describeAccounts(accounts));
}

async function rotateCredential(username: string, options: RotateOptions): Promise<void> {
  if (options.apiKeyStdin && (options.password || options.passwordStdin))
    throw new OperatorError('Give --api-key-stdin or a new password, one after the other');
  if (options.password || options.passwordStdin) {
    const passwordHash = await hashPassword(await readPassword(options));
    const account = await editAccount('accounts rotate', username, { passwordHash }, requirePassword);
    print(options.json, account, `Account ${username} has its new password`);
    return;
  }
  const givenKey = options.apiKeyStdin && parseGivenKey(await readSecretInput());
  const apiKey = givenKey ?? createApiKey();
  const apiKeyHash = hashApiKey(apiKey);
  const account = await editAccount('accounts rotate', username, { apiKeyHash }, requireApiKey);
  const message = `Account ${username} has a new API key; the old one no longer works`;
  if (givenKey) print(options.json, account, message);
  else print(options.json, { ...account, apiKey }, describeNewKey(message, apiKey));
}

async function removeAccount(username: string, { yes, json }: { yes?: true; json?: true }): Promise<void> {
  if (!yes) {
    const answer = await ask(`Remove the account ${username} for good? (yes/no) `, 'add --yes');
    if (answer !== 'yes') throw new OperatorError('Nothing was removed');
  }
  const account = await withAccounts((accounts) =>
    accounts.removeAccount(username, createCommandCall('accounts remove', [username])),
  );
  const isMadeAgain = username === adminUsername ? '; the next start of a server makes it again' : '';
  print(json, account, `Account ${username} is removed${isMadeAgain}`);
}

async function withAccounts<T>(
  work: (accounts: AccountRepository, config: Config) => Promise<T>,
): Promise<T> {
  return withDatabase(({ prisma, recorder, config }) =>
    work(createAccountRepository(prisma, recorder), config),
  );
}

async function editAccount(
  operation: string,
  username: string,
  changes: AccountChanges,
  requirement?: (account: Account, config: Config) => void,
): Promise<Account> {
  return withAccounts((accounts, config) =>
    accounts.editAccount(username, changes, createCommandCall(operation, [username]), (account) =>
      requirement?.(account, config),
    ),
  );
}

/** @throws OperatorError */
function parseGivenKey(text: string): string {
  try {
    return parseApiKey(text);
  } catch (error) {
    throw new OperatorError(`The API key must be ${(error as Error).message}`);
  }
}

/** What an account was created without is not given to it by the way. */
function requireApiKey({ username, hasApiKey }: Account, { ADMIN_API_KEY }: Config): void {
  if (!hasApiKey) {
    throw new OperatorError(`Account ${username} has no API key; --password gives it another password`);
  }
  if (username === adminUsername && ADMIN_API_KEY !== undefined) {
    throw new OperatorError(
      'The key of admin is that of ADMIN_API_KEY: change it there, and start the servers again',
    );
  }
}

function requirePassword({ username, hasPassword }: Account): void {
  if (!hasPassword)
    throw new OperatorError(`Account ${username} has no password; without --password it gets another key`);
}

async function readPassword({ passwordStdin }: PasswordOptions): Promise<string> {
  return parsePassword(passwordStdin ? await readSecretInput() : await askPassword('use --password-stdin'));
}

/** A list with commas between, as far as it was read before. */
function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(/[\s,]+/).filter((each) => each !== '')];
}

function describeNewKey(message: string, apiKey: string | undefined): string {
  return apiKey === undefined ? message : `${message}\nAPI key, shown this once: ${apiKey}`;
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
