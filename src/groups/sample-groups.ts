import type { Prisma, PrismaClient } from '../generated/prisma/client.ts';
import { auditOperations } from '../mutations/audit-operations.ts';
import { toRowJson, type RowJson } from '../database/row-json.ts';

const sampleServiceGroups = [
  { name: 'Personal', description: 'Plans for one person', language: 'English', discount: 0 },
  { name: 'Family', description: 'Plans that are shared at home', language: 'English', discount: 12.5 },
];

const sampleGroups = [
  {
    name: 'Trial',
    description: 'Seven days to try it out',
    tagName: 'trial',
    duration: 7,
    price: '0',
    dailyBandwidth: '1GB',
    downloadUpload: '10/10',
    ip: 'DYNAMIC',
  },
  {
    name: 'One month',
    description: 'A month for one device',
    tagName: 'monthly',
    duration: 30,
    price: '9.90',
    usernamePostfix: '@monthly',
    usernamePostfixId: 'm1',
    dailyBandwidth: '10GB',
    downloadUpload: '100/100',
    ip: 'DYNAMIC',
  },
  {
    name: 'One year',
    description: 'A year at the price of ten months',
    tagName: 'yearly',
    duration: 365,
    price: '99',
    usernamePostfix: '@yearly',
    usernamePostfixId: 'y1',
    multiLoginCount: 2,
    downloadUpload: '100/100',
    ip: 'DYNAMIC',
  },
  {
    name: 'Family year',
    description: 'A year for up to six devices',
    tagName: 'family',
    duration: 365,
    price: '149',
    usernamePostfix: '@family',
    usernamePostfixId: 'f1',
    multiLoginCount: 6,
    ip: 'DYNAMIC',
  },
  {
    name: 'Static address',
    description: 'A month with an address of your own',
    tagName: 'static',
    duration: 30,
    price: '19.90',
    usernamePostfix: '@static',
    usernamePostfixId: 's1',
    ip: '203.0.113.0/24',
  },
];

/**
 * Loads sample groups into a database that has never contained a group, so that deleted samples do not come back.
 * Returns whether it loaded them. Concurrent servers load them once.
 */
export async function loadSampleData(prisma: PrismaClient): Promise<boolean> {
  if (await hasEverHadGroups(prisma)) return false;
  return prisma.$transaction(async (transaction) => {
    await transaction.$executeRaw`LOCK TABLE groups IN SHARE ROW EXCLUSIVE MODE`;
    if (await hasEverHadGroups(transaction)) return false;

    const [personal, family] = await transaction.serviceGroup.createManyAndReturn({
      data: sampleServiceGroups,
    });
    await transaction.group.createMany({
      data: sampleGroups.map((group) => ({
        ...group,
        serviceGroupId: (group.tagName === 'family' ? family : personal)!.id,
      })),
    });
    return true;
  });
}

/** Also true if all groups have been deleted. */
async function hasEverHadGroups(prisma: Pick<PrismaClient, '$queryRaw'>): Promise<boolean> {
  const rows = await prisma.$queryRaw<{ is_called: boolean }[]>`SELECT is_called FROM groups_id_seq`;
  return rows.some(({ is_called }) => is_called);
}

/** Returns the id of a sample group that still exists, so that a trial delete never deletes an operator's own group. */
export async function findSampleGroupId(prisma: PrismaClient): Promise<number | undefined> {
  const samples = sampleGroups.map(({ name, description }) => ({ name, description }));
  const group = await prisma.group.findFirst({
    where: { OR: samples, protected: false },
    orderBy: { id: 'asc' },
  });
  return group?.id;
}

/** The ids of sample records by table. */
export type SampleIds = {
  readonly serviceGroups: readonly number[];
  readonly groups: readonly number[];
  /** Groups in the archive. */
  readonly deletedGroups: readonly number[];
};

/** The rows of sample records that were removed. */
export type SampleRows = { readonly [Kind in keyof SampleIds]: readonly RowJson[] };

/**
 * Finds the sample records that are unchanged since they were loaded: groups, live or archived, with the same content
 * that never had a subscriber, and service groups without other groups. Records that an operator created never count as
 * samples.
 */
export async function findUntouchedSamples(transaction: Prisma.TransactionClient): Promise<SampleIds> {
  const groups = JSON.stringify(sampleGroups.map(toUntouchedRow));
  const serviceGroups = JSON.stringify(sampleServiceGroups);
  const [result] = await transaction.$queryRaw<[{ ids: SampleIds }]>`
    WITH sample AS (
      SELECT content - 'price' AS content, (content ->> 'price')::numeric AS price, (content ->> 'id')::int AS id
      FROM jsonb_array_elements(${groups}::jsonb) AS content
    ),
    untouched AS (
      SELECT id, content, price FROM sample
      WHERE NOT EXISTS (SELECT FROM subscribers WHERE group_id = sample.id)
        AND NOT EXISTS (SELECT FROM subscriber_history WHERE group_id = sample.id)
        AND NOT EXISTS (
          SELECT FROM audit_events
          WHERE target_ids @> ARRAY[sample.id::text] AND operation = ANY (${auditOperations.createGroup}::text[])
            AND outcome = 'done'
        )
    ),
    live AS (
      SELECT groups.id FROM untouched JOIN groups USING (id)
      WHERE group_row(groups) @> content AND groups.price = untouched.price
    ),
    archived AS (
      SELECT deleted_groups.id FROM untouched JOIN deleted_groups USING (id)
      WHERE group_row @> content AND (group_row ->> 'price')::numeric = untouched.price AND subscribers_moved = 0
    ),
    service AS (
      SELECT service_groups.id FROM jsonb_array_elements(${serviceGroups}::jsonb) AS content
      JOIN service_groups ON to_jsonb(service_groups) @> content
      WHERE NOT EXISTS (
          SELECT FROM groups WHERE service_group_id = service_groups.id AND groups.id NOT IN (SELECT id FROM live)
        )
        AND NOT EXISTS (
          SELECT FROM deleted_groups WHERE (group_row ->> 'service_group_id')::int = service_groups.id
            AND deleted_groups.id NOT IN (SELECT id FROM archived)
        )
        AND NOT EXISTS (
          SELECT FROM audit_events
          WHERE target_ids @> ARRAY[service_groups.id::text]
            AND operation = ANY (${auditOperations.createServiceGroup}::text[]) AND outcome = 'done'
        )
    )
    SELECT jsonb_build_object(
      'serviceGroups', ARRAY(SELECT id FROM service ORDER BY id),
      'groups', ARRAY(SELECT id FROM live ORDER BY id),
      'deletedGroups', ARRAY(SELECT id FROM archived ORDER BY id)
    ) AS ids`;
  return result.ids;
}

/** Deletes sample records and returns them, except for service groups that still have groups. */
export async function removeSamples(
  transaction: Prisma.TransactionClient,
  { serviceGroups, groups, deletedGroups }: SampleIds,
): Promise<SampleRows> {
  const rows = async (removed: Promise<{ row: RowJson }[]>) =>
    (await removed).map(({ row }) => row).toSorted((one, other) => Number(one['id']) - Number(other['id']));
  return {
    groups: await rows(
      transaction.$queryRaw`DELETE FROM groups WHERE id = ANY (${groups}) RETURNING group_row(groups) AS row`,
    ),
    deletedGroups: await rows(
      transaction.$queryRaw`DELETE FROM deleted_groups WHERE id = ANY (${deletedGroups}) RETURNING group_row AS row`,
    ),
    serviceGroups: await rows(
      transaction.$queryRaw`
        DELETE FROM service_groups
        WHERE id = ANY (${serviceGroups}) AND NOT EXISTS (SELECT FROM groups WHERE service_group_id = service_groups.id)
        RETURNING to_jsonb(service_groups) AS row`,
    ),
  };
}

/** The samples have the first ids, since they are loaded into a database that has never contained a group. */
function toUntouchedRow(group: (typeof sampleGroups)[number], index: number): RowJson {
  const defaults = {
    usernamePostfix: null,
    usernamePostfixId: null,
    dailyBandwidth: 'unlimited',
    multiLoginCount: 1,
    downloadUpload: 'unlimited',
    hidden: false,
    protected: false,
    version: 1,
  };
  return toRowJson({ ...defaults, ...group, id: index + 1 });
}
