import { parsePassword } from '../../accounts/account.ts';
import { createApiKey } from '../../accounts/api-key.ts';
import { OperatorError } from '../../errors.ts';
import { askPassword, readSecretInput } from '../prompts.ts';

/** The options that set the credentials of an account. */
export type CredentialOptions = { password?: true; passwordStdin?: true; apiKeyStdin?: true };

/** A new API key; one that the client has already is not shown again. */
type NewApiKey = { readonly apiKey: string; readonly isShown: boolean };

/** Returns whether the options set a password. */
export function setsPassword({ password, passwordStdin }: CredentialOptions): boolean {
  return password ?? passwordStdin ?? false;
}

/** Reads the API key of a client from standard input, with --api-key-stdin; else creates one. @throws OperatorError */
export async function readOrCreateApiKey({ apiKeyStdin }: CredentialOptions): Promise<NewApiKey> {
  if (!apiKeyStdin) return { apiKey: createApiKey(), isShown: true };
  const { parseApiKey } = await import('../../config/setting-parsers.ts');
  try {
    return { apiKey: parseApiKey(await readSecretInput()), isShown: false };
  } catch (error) {
    throw new OperatorError(`The API key must be ${(error as Error).message}`);
  }
}

/** Reads a password and hashes it as the server does. @throws AppError BAD_USER_INPUT; OperatorError */
export async function readPasswordHash({ passwordStdin }: CredentialOptions): Promise<string> {
  const input = passwordStdin ? await readSecretInput() : await askPassword('use --password-stdin');
  const password = parsePassword(input);
  const { hashPassword } = await import('../../accounts/password.ts');
  return hashPassword(password);
}

/** Describes a change with the new key, if the caller does not have it yet. */
export function describeNewKey(message: string, key: NewApiKey | undefined): string {
  return key?.isShown ? `${message}\nAPI key, shown only once: ${key.apiKey}` : message;
}

/** The field of a key in JSON, if the caller does not have it yet. */
export function newKeyField(key: NewApiKey | undefined): { apiKey?: string } {
  return key?.isShown ? { apiKey: key.apiKey } : {};
}
