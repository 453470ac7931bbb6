import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import { isPrismaError, uniqueKeyViolated } from '../database/prisma-error.ts';
import { AppError } from '../errors.ts';
import type { Account as AccountRow, Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { accountNotFound, toAccount, type Account } from './account.ts';

export type AccountRepository = ReturnType<typeof createAccountRepository>;

/** An account to create, with at least one credential. */
type NewAccount = Pick<
  AccountRow,
  'username' | 'apiKeyHash' | 'passwordHash' | 'requiresBoth' | 'scopes' | 'allowedNetworks' | 'expiresAt'
>;

/** The editable fields of an account. */
export type AccountChanges = Partial<
  Omit<NewAccount, 'username' | 'requiresBoth'> & Pick<AccountRow, 'disabled'>
>;

/** The accounts in the database. Changes are audited without the credentials. */
export function createAccountRepository(prisma: PrismaClient, mutations: MutationRunner) {
  return {
    /** Returns all accounts, sorted by username. */
    async list(): Promise<Account[]> {
      return (await prisma.account.findMany({ orderBy: { username: 'asc' } })).map(toAccount);
    },

    /** Returns the row with its credentials, for authentication only. */
    async findByUsername(username: string): Promise<AccountRow | null> {
      return prisma.account.findUnique({ where: { username } });
    },

    /** Returns the row with its credentials, for authentication only. */
    async findByApiKeyHash(apiKeyHash: Buffer<ArrayBuffer>): Promise<AccountRow | null> {
      return prisma.account.findUnique({ where: { apiKeyHash } });
    },

    /** @throws AppError ALREADY_EXISTS if there is an account with the username or with the API key */
    async create(account: NewAccount, call: MutationCall): Promise<Account> {
      return mutations.run(call, async (transaction) => {
        const { username, apiKeyHash } = account;
        if (await transaction.account.findUnique({ where: { username } }))
          throw new AppError('ALREADY_EXISTS', `The account "${username}" already exists`);
        if (apiKeyHash && (await transaction.account.findUnique({ where: { apiKeyHash } })))
          throw apiKeyExists();
        // If the username or the key is created concurrently, the next attempt finds which of them exists.
        const created = toAccount(await transaction.account.create({ data: account }));
        return { result: created, targetIds: [created.username], after: created };
      });
    },

    /**
     * `require` may reject the edit by throwing.
     * @throws AppError NOT_FOUND; ALREADY_EXISTS if another account has the API key
     */
    async edit(
      username: string,
      changes: AccountChanges,
      call: MutationCall,
      require: (account: Account) => void,
    ): Promise<Account> {
      return mutations.run(call, async (transaction) => {
        const before = await requireAccount(transaction, username);
        require(before);
        const data: Prisma.AccountUpdateInput = { ...changes, updatedAt: new Date() };
        try {
          const after = toAccount(await transaction.account.update({ where: { username }, data }));
          return { result: after, before, after };
        } catch (error) {
          if (!isPrismaError(error, uniqueKeyViolated)) throw error;
          throw apiKeyExists();
        }
      });
    },

    /** @throws AppError NOT_FOUND */
    async delete(username: string, call: MutationCall): Promise<Account> {
      return mutations.run(call, async (transaction) => {
        const before = await requireAccount(transaction, username);
        await transaction.account.delete({ where: { username } });
        return { result: before, before };
      });
    },
  };
}

/** Locks the row until the transaction ends, so that the audit event has the row version that was changed. */
async function requireAccount(transaction: Transaction, username: string): Promise<Account> {
  await transaction.$executeRaw`SELECT FROM accounts WHERE username = ${username} FOR UPDATE`;
  const account = await transaction.account.findUnique({ where: { username } });
  if (!account) throw accountNotFound(username);
  return toAccount(account);
}

function apiKeyExists(): AppError {
  return new AppError('ALREADY_EXISTS', 'Another account has this API key: choose a different one');
}
