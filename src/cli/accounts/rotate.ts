import { Command } from 'commander';
import { adminUsername, type Account } from '../../accounts/account.ts';
import { hashApiKey } from '../../accounts/api-key.ts';
import type { Config } from '../../config/settings.ts';
import { OperatorError } from '../../errors.ts';
import { print } from '../output.ts';
import { changeAccount } from './change-account.ts';
import {
  describeNewKey,
  newKeyField,
  readOrCreateApiKey,
  readPasswordHash,
  setsPassword,
  type CredentialOptions,
} from './credentials.ts';

type RotateOptions = CredentialOptions & { json?: true };

/** `group-api accounts rotate`: replaces a credential of an account. */
export function createRotateCommand(): Command {
  return new Command('rotate')
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
}

async function rotateCredential(username: string, options: RotateOptions): Promise<void> {
  if (options.apiKeyStdin && setsPassword(options))
    throw new OperatorError('--api-key-stdin cannot be combined with --password or --password-stdin');
  if (setsPassword(options)) {
    const passwordHash = await readPasswordHash(options);
    const report = (account: Account) =>
      print(options.json, account, `Changed the password of account ${username}`);
    await changeAccount('accounts rotate', username, { passwordHash }, report, requirePassword);
    return;
  }
  const key = await readOrCreateApiKey(options);
  const apiKeyHash = hashApiKey(key.apiKey);
  const message = `Changed the API key of account ${username}; the old key no longer works`;
  const report = (account: Account) =>
    print(options.json, { ...account, ...newKeyField(key) }, describeNewKey(message, key));
  await changeAccount('accounts rotate', username, { apiKeyHash }, report, requireApiKey);
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
