import { Command } from 'commander';
import { parseExpiry, parseNetworks, parseScopes, parseUsername } from '../../accounts/account.ts';
import { hashApiKey } from '../../accounts/api-key.ts';
import { allScopes } from '../../accounts/scopes.ts';
import { OperatorError } from '../../errors.ts';
import { createCommandCall, runMutation } from '../command-context.ts';
import { collectItems } from '../list-options.ts';
import { print } from '../output.ts';
import { ask } from '../prompts.ts';
import {
  describeNewKey,
  newKeyField,
  readOrCreateApiKey,
  readPasswordHash,
  setsPassword,
  type CredentialOptions,
} from './credentials.ts';

type CreateOptions = CredentialOptions & {
  scope: string[];
  network: string[];
  expires?: string;
  apiKey: boolean;
  requireBoth?: true;
  json?: true;
};

/** `group-api accounts create`: creates an account with its credentials. */
export function createCreateCommand(): Command {
  return new Command('create')
    .description('Create an account. Its API key is shown only once')
    .argument('[username]', 'letters, digits and . _ @ + -')
    .option('--scope <scopes>', 'allowed operations; comma-separated or repeated', collectItems, [])
    .option(
      '--network <networks>',
      'allowed client addresses or CIDR blocks; comma-separated or repeated',
      collectItems,
      [],
    )
    .option('--expires <date>', 'expiry date, such as 2030-01-01')
    .option('--password', 'prompt for a password')
    .option('--password-stdin', 'read the password from standard input')
    .option('--api-key-stdin', 'read the API key from standard input: one that clients already have')
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
  group-api accounts create shop --scope groups:read --api-key-stdin < key.txt
  read -rs PASSWORD && printf %s "$PASSWORD" | group-api accounts create test --scope groups:delete --password-stdin --json`,
    )
    .action(createAccount);
}

async function createAccount(usernameArgument: string | undefined, options: CreateOptions): Promise<void> {
  requireCredentials(options);
  const username = parseUsername(
    usernameArgument ?? (await ask('Username: ', 'pass the username as an argument')),
  );
  const scopes = parseScopes(
    options.scope.length > 0
      ? options.scope
      : collectItems(await ask(`Scopes (${allScopes.join(' ')}): `, 'pass --scope')),
  );
  const allowedNetworks = parseNetworks(options.network);
  const expiresAt = options.expires === undefined ? null : parseExpiry(options.expires);
  const passwordHash = setsPassword(options) ? await readPasswordHash(options) : null;
  const key = options.apiKey ? await readOrCreateApiKey(options) : undefined;
  const call = createCommandCall('accounts create', [username]);
  await runMutation(call, async ({ accounts }) => {
    const account = await accounts.create(
      {
        username,
        scopes,
        allowedNetworks,
        expiresAt,
        requiresBoth: options.requireBoth ?? false,
        apiKeyHash: key === undefined ? null : hashApiKey(key.apiKey),
        passwordHash,
      },
      call,
    );
    // Before the database is closed, which may fail: the key cannot be shown again.
    const message = describeNewKey(`Created account ${username}`, key);
    print(options.json, { ...account, ...newKeyField(key) }, message);
  });
}

/** @throws OperatorError */
function requireCredentials(options: CreateOptions): void {
  const { apiKey: hasApiKey, apiKeyStdin, requireBoth } = options;
  const hasPassword = setsPassword(options);
  if (apiKeyStdin && !hasApiKey)
    throw new OperatorError('--api-key-stdin and --no-api-key contradict each other: omit one of them');
  if (apiKeyStdin && hasPassword) {
    throw new OperatorError(
      '--api-key-stdin cannot be combined with a password, since both are read from standard input: create the ' +
        'account with --password-stdin, then replace its key with `accounts rotate --api-key-stdin`',
    );
  }
  if (!hasApiKey && !hasPassword) {
    throw new OperatorError(
      'An account needs an API key or a password: omit --no-api-key, or pass --password',
    );
  }
  if (requireBoth && !(hasApiKey && hasPassword)) {
    throw new OperatorError(
      '--require-both requires an API key and a password: omit --no-api-key, and pass --password',
    );
  }
}
