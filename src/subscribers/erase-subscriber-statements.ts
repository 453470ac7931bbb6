import { removeTimeLimits } from '../database/time-limits.ts';
import { AppError } from '../errors.ts';
import { Prisma } from '../generated/prisma/client.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import { createPseudonym } from './pseudonym.ts';

/** The result of an erasure: the numbers of changed rows. */
export type Erasure = {
  /** The name that all these rows have now. */
  readonly pseudonym: string;
  readonly endedSubscriptions: number;
  readonly subscriberHistory: number;
  readonly movedSubscribers: number;
  /** Reasons that contained the username. */
  readonly deletedGroups: number;
  /** Reasons of retirements that contained the username. */
  readonly retiredGroups: number;
  readonly storedResponses: number;
  readonly webhookDeliveries: number;
  readonly radiusDeliveries: number;
  readonly auditEvents: number;
};

/** Long enough to read all audit events. */
const timeoutMs = 24 * 60 * 60 * 1000;
/** The maximum number of groups in an error. */
const maxNamed = 10;

/**
 * Replaces a username by a pseudonym in ended subscriptions, the history, the archive, stored responses, the audit log
 * and deliveries of webhooks and to RADIUS sessions, in one transaction. Its audit event has the pseudonym and the
 * numbers, not the username. Reads all audit events, and locks only the rows that it changes.
 * @throws AppError HAS_ACTIVE_SUBSCRIBERS if the username has active subscriptions; a database error if the user of the
 *   database may not change the audit log.
 */
export async function eraseSubscriber(
  mutations: MutationRunner,
  username: string,
  call: MutationCall,
): Promise<Erasure> {
  const pseudonym = createPseudonym();
  return mutations.run(
    call,
    async (transaction) => {
      await transaction.$queryRawUnsafe(removeTimeLimits);
      await requireNoSubscription(transaction, username);
      const names = { username, pseudonym };
      const result: Erasure = {
        pseudonym,
        endedSubscriptions: await transaction.$executeRaw`
          UPDATE subscribers SET username = ${pseudonym} WHERE username = ${username}`,
        subscriberHistory: await transaction.$executeRaw`
          UPDATE subscriber_history SET username = ${pseudonym} WHERE username = ${username}`,
        movedSubscribers: await transaction.$executeRaw`
          UPDATE moved_subscribers SET username = ${pseudonym} WHERE username = ${username}`,
        deletedGroups: await eraseFromReasons(transaction, names),
        retiredGroups: await eraseFromRetirements(transaction, names),
        storedResponses: await eraseFromResponses(transaction, names),
        auditEvents: await eraseFromAudit(transaction, names),
        // After the audit log, from which no delivery of the username is made any more.
        webhookDeliveries: await eraseFromDeliveries(transaction, names),
        radiusDeliveries: await eraseFromRadiusDeliveries(transaction, names),
      };
      return { result, targetIds: [pseudonym], after: result };
    },
    { timeoutMs },
  );
}

type Names = { readonly username: string; readonly pseudonym: string };

async function requireNoSubscription(transaction: Transaction, username: string): Promise<void> {
  const rows = await transaction.$queryRaw<{ id: number }[]>`
    SELECT group_id AS id FROM subscribers WHERE username = ${username} AND is_active(expires_at) ORDER BY group_id`;
  if (rows.length === 0) return;
  const named = rows.slice(0, maxNamed).map(({ id }) => id);
  throw new AppError(
    'HAS_ACTIVE_SUBSCRIBERS',
    `Cannot erase a username with active subscriptions, which are to ${rows.length === 1 ? 'group' : 'groups'} ` +
      `${named.join(', ')}${rows.length > maxNamed ? ', …' : ''}. End each with group-api subscribers remove --group`,
    { subscriberCount: rows.length, groupIds: named },
  );
}

/** Replaces the username as a whole word in the reasons of deleted groups. */
async function eraseFromReasons(transaction: Transaction, { username, pseudonym }: Names): Promise<number> {
  const word = wholeWord(username);
  return transaction.$executeRaw`
    UPDATE deleted_groups SET reason = regexp_replace(reason, ${word}, ${pseudonym}, 'g') WHERE reason ~ ${word}`;
}

/**
 * Replaces the username as a whole word in the reasons of retirements, which are stored until the delete. The version
 * changes, so that no delete that has read the reason before writes it afterwards.
 */
async function eraseFromRetirements(
  transaction: Transaction,
  { username, pseudonym }: Names,
): Promise<number> {
  const word = wholeWord(username);
  return transaction.$executeRaw`
    UPDATE groups SET retirement = jsonb_set(retirement, '{reason}',
      to_jsonb(regexp_replace(retirement ->> 'reason', ${word}, ${pseudonym}, 'g'))), version = version + 1
    WHERE retires_at IS NOT NULL AND retirement ->> 'reason' ~ ${word}`;
}

/** A repeated call would return the username. */
async function eraseFromResponses(transaction: Transaction, names: Names): Promise<number> {
  const response = jsonColumn('response', names);
  return transaction.$executeRaw`
    UPDATE idempotency_keys SET response = ${response.erased} WHERE ${response.hasUsername}`;
}

/**
 * Also from the response of the receiver, which may repeat what it got. A server may have read the username from the
 * audit log before, and not inserted its delivery yet: it does so only while the cursor of the endpoint has the same
 * text, so that it reads the events again.
 */
async function eraseFromDeliveries(transaction: Transaction, names: Names): Promise<number> {
  // Locks the endpoints until the end: meanwhile, none gets a delivery.
  await transaction.$executeRaw`
    UPDATE webhook_endpoints
    SET cursor = ${changedCursor(names)}`;
  const data = jsonColumn('data', names);
  const word = wholeWord(names.username);
  return transaction.$executeRaw`
    UPDATE webhook_deliveries SET response_body = NULL,
      data = CASE WHEN data->>'reason' ~ ${word}
        THEN jsonb_set(${data.erased}, '{reason}', to_jsonb(regexp_replace(data->>'reason', ${word}, ${names.pseudonym}, 'g')))
        ELSE ${data.erased} END
    WHERE ${data.hasUsername} OR data->>'reason' ~ ${word}`;
}

/** Returns the same position with another text: see `parseFeedCursor`. */
function changedCursor({ pseudonym }: Names): Prisma.Sql {
  return Prisma.sql`concat_ws('-', split_part(cursor, '-', 1), split_part(cursor, '-', 2), ${pseudonym}::text)`;
}

/**
 * The user name of a session is the username, and the postfix of a plan. A pending request is sent all the same, with
 * the user name that the accounting has. A page of events that was read before is read again, as for webhooks.
 */
async function eraseFromRadiusDeliveries(transaction: Transaction, names: Names): Promise<number> {
  await transaction.$executeRaw`UPDATE radius_feed SET cursor = ${changedCursor(names)}`;
  const { username, pseudonym } = names;
  return transaction.$executeRaw`
    UPDATE radius_deliveries SET username = ${pseudonym}
    WHERE username = ${username} OR starts_with(username, ${username}) AND substr(username, length(${username}) + 1) IN (
      SELECT username_postfix FROM groups UNION SELECT group_row ->> 'username_postfix' FROM deleted_groups
    )`;
}

/** Changes the audit events of everything but accounts, whose usernames are not those of subscribers. */
async function eraseFromAudit(transaction: Transaction, names: Names): Promise<number> {
  const [before, after, word] = [
    jsonColumn('before', names),
    jsonColumn('after', names),
    wholeWord(names.username),
  ];
  // The trigger that makes the audit log append-only permits changes with this setting.
  await transaction.$queryRaw`SELECT set_config('group_api.erasure', 'on', true)`;
  const count = await transaction.$executeRaw`
    UPDATE audit_events SET before = ${before.erased}, after = ${after.erased},
      reason = regexp_replace(reason, ${word}, ${names.pseudonym}, 'g')
    WHERE operation NOT LIKE 'accounts %' AND (reason ~ ${word} OR ${before.hasUsername} OR ${after.hasUsername})`;
  await transaction.$queryRaw`SELECT set_config('group_api.erasure', 'off', true)`;
  return count;
}

/** The rows in a JSON column, at any depth, whose field `username` is the username, and the column without it. */
function jsonColumn(name: string, { username, pseudonym }: Names) {
  const [column, field, erasedField] = [Prisma.raw(name), writeField(username), writeField(pseudonym)];
  return {
    hasUsername: Prisma.sql`coalesce(strpos(${column}::text, ${field}) > 0, false)`,
    erased: Prisma.sql`replace(${column}::text, ${field}, ${erasedField})::jsonb`,
  };
}

/** Writes a field as PostgreSQL writes it in the text of a jsonb value. */
function writeField(username: string): string {
  return `"username": ${JSON.stringify(username)}`;
}

/** Returns the regular expression of PostgreSQL that matches a text as a whole word. */
function wholeWord(text: string): string {
  return `(?<![[:alnum:]_])${text.replace(/[^\p{L}\p{N}_]/gu, '\\$&')}(?![[:alnum:]_])`;
}
