import type { RowJson } from '../database/row-json.ts';
import { AppError, badInput } from '../errors.ts';
import { addGroupDetails } from '../groups/group-details.ts';
import { lockGroups, requireOpenGroup } from '../groups/group-locks.ts';
import { GroupNotFoundError, parseGroupRow, type Group } from '../groups/group.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';
import type { MutationRunner, Transaction } from '../mutations/mutation-runner.ts';
import { parseDate } from '../validation/input-parsers.ts';
import { parseDeletion, type Deletion } from './delete-group.ts';
import { deletionError } from './deletion-errors.ts';

/** The parsed arguments of `retireGroup`; without `at`, the group is due at once. */
type RetirementRequest = Deletion & { readonly at: Date | null };

export type GroupRetirement = ReturnType<typeof createGroupRetirement>;

/** The clocks of clients may be late: a date that was "now" for the client is accepted. */
const maxClockDifferenceMs = 60_000;

/** Parses the arguments of `retireGroup`: those of the delete, and its date. @throws AppError BAD_USER_INPUT */
export function parseRetirement(
  args: Parameters<typeof parseDeletion>[0] & { at?: unknown },
): RetirementRequest {
  return { ...parseDeletion(args), at: args.at == null ? null : parseDate(args.at, 'at') };
}

/** Plans the delete of a group, and cancels it. `delete-retired-groups.ts` deletes the groups that are due. */
export function createGroupRetirement(mutations: MutationRunner) {
  return {
    /**
     * Retires a group, or replaces the date, target and reason of its retirement. No subscription that commits later
     * adds a subscriber.
     * @throws AppError NOT_FOUND, GROUP_PROTECTED, VERSION_CONFLICT; GROUP_RETIRED of the target; BAD_USER_INPUT if
     * `at` is in the past
     */
    async retireGroup(request: RetirementRequest, call: MutationCall): Promise<Group> {
      const { id, at, moveSubscribersTo: target } = request;
      const row = await mutations.run(call, async (transaction) => {
        // Not while arguments are parsed: a repeated call may come after the date.
        rejectPast(at);
        const locked = await lockGroups(transaction, [id], target);
        const before = await readRow(transaction, id);
        requireDeletable(before, request);
        if (target !== null) requireOpenGroup(locked, target, 'moveSubscribersTo');
        const after = await storeRetirement(transaction, request, call);
        const result = await addGroupDetails(transaction, after, call.selectedDetails);
        return { result, before, after };
      });
      return parseGroupRow(row);
    },

    /**
     * Cancels the retirement of a group, and restores the former value of `hidden`.
     * @throws AppError NOT_FOUND, also if the group is not retired
     */
    async cancelRetirement(id: number, call: MutationCall): Promise<Group> {
      const row = await mutations.run(call, async (transaction) => {
        await lockGroups(transaction, [id]);
        const before = await readRow(transaction, id);
        const [cancelled] = await transaction.$queryRaw<{ row: RowJson }[]>`
          UPDATE groups SET hidden = (retirement ->> 'was_hidden')::boolean, retires_at = NULL, retirement = NULL,
            version = version + 1, updated_at = clock_timestamp()
          WHERE id = ${id} AND retires_at IS NOT NULL RETURNING group_row(groups) AS row`;
        if (!cancelled) throw retirementNotFound(id);
        const result = await addGroupDetails(transaction, cancelled.row, call.selectedDetails);
        return { result, before, after: cancelled.row };
      });
      return parseGroupRow(row);
    },
  };
}

function rejectPast(at: Date | null): void {
  const now = new Date();
  if (at === null || at.getTime() >= now.getTime() - maxClockDifferenceMs) return;
  throw badInput(
    'at',
    `at must not be in the past: ${at.toISOString()} is before ${now.toISOString()}. Omit it to retire the group now`,
  );
}

/** Reads a group's row, which the transaction has locked. @throws AppError NOT_FOUND */
async function readRow(transaction: Transaction, id: number): Promise<RowJson> {
  const [group] = await transaction.$queryRaw<{ row: RowJson }[]>`
    SELECT group_row(groups) AS row FROM groups WHERE id = ${id}`;
  if (!group) throw new GroupNotFoundError(id);
  return group.row;
}

/**
 * The rules of a delete, apart from active subscribers: a retirement waits for their end.
 * @throws AppError GROUP_PROTECTED, VERSION_CONFLICT
 */
function requireDeletable(row: RowJson, deletion: Deletion): void {
  const state = { version: row['version'] as number, subscriberCount: 0 };
  if (row['protected']) throw deletionError('GROUP_PROTECTED', state, deletion);
  const { expectedVersion } = deletion;
  if (expectedVersion !== null && expectedVersion !== state.version)
    throw deletionError('VERSION_CONFLICT', state, deletion);
}

async function storeRetirement(
  transaction: Transaction,
  { id, at, reason, moveSubscribersTo }: RetirementRequest,
  { account, requestId }: MutationCall,
): Promise<RowJson> {
  // `hidden` of a retired group is true: the value before the first of several retirements is restored.
  const [retired] = await transaction.$queryRaw<[{ row: RowJson }]>`
    UPDATE groups SET hidden = true, retires_at = coalesce(${at}::timestamptz, now()),
      retirement = jsonb_build_object('retired_by', ${account}::text, 'request_id', ${requestId}::text,
        'reason', ${reason}::text, 'move_subscribers_to', ${moveSubscribersTo}::int,
        'was_hidden', coalesce((retirement ->> 'was_hidden')::boolean, hidden)),
      version = version + 1, updated_at = clock_timestamp()
    WHERE id = ${id} RETURNING group_row(groups) AS row`;
  return retired.row;
}

function retirementNotFound(id: number): AppError {
  return new AppError('NOT_FOUND', `Retirement not found: group ${id} is not retired`, { id });
}
