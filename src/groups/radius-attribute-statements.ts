import type { RowJson } from '../database/row-json.ts';
import { Prisma, type Group, type PrismaClient } from '../generated/prisma/client.ts';

/** An attribute that FreeRADIUS checks or replies for the users of a group. */
export type RadiusAttribute = { readonly attribute: string; readonly op: string; readonly value: string };

type RadiusColumns = Pick<Group, 'id' | 'downloadUpload' | 'dailyBandwidth' | 'multiLoginCount' | 'ip'>;

/** Writes the SQL expression of the RADIUS attributes of a group's row. */
export function writeRadiusAttributes(row: RowJson): Prisma.Sql {
  return attributesOf(Prisma.sql`${JSON.stringify(row)}::jsonb`);
}

/** Of a row as JSON. The database functions that the views of FreeRADIUS use compute the attributes. */
function attributesOf(row: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`(
    SELECT coalesce(jsonb_agg(jsonb_build_object('attribute', attribute, 'op', op, 'value', value) ORDER BY position), '[]')
    FROM radius_units, LATERAL radius_attributes(
      (${row} ->> 'id')::int, ${row} ->> 'download_upload', ${row} ->> 'daily_bandwidth',
      (${row} ->> 'multi_login_count')::int, ${row} ->> 'ip', rate_unit, quota_unit
    )
  )`;
}

/** Computes the RADIUS attributes of groups, which may be deleted, in their order, with one query. */
export async function computeRadiusAttributes(
  client: Pick<PrismaClient, '$queryRaw'>,
  groups: readonly RadiusColumns[],
): Promise<RadiusAttribute[][]> {
  return queryAttributes(
    client,
    groups.map(({ id, downloadUpload, dailyBandwidth, multiLoginCount, ip }) => ({
      id,
      download_upload: downloadUpload,
      daily_bandwidth: dailyBandwidth,
      multi_login_count: multiLoginCount,
      ip,
    })),
  );
}

/** Adds the RADIUS attributes to the details of groups' rows, with one query. */
export async function addRadiusAttributes(
  client: Pick<PrismaClient, '$queryRaw'>,
  rows: readonly RowJson[],
): Promise<RowJson[]> {
  const lists = await queryAttributes(client, rows);
  return rows.map((row, index) => ({
    ...row,
    details: { ...(row['details'] as object | undefined), radiusAttributes: lists[index] },
  }));
}

async function queryAttributes(
  client: Pick<PrismaClient, '$queryRaw'>,
  rows: readonly object[],
): Promise<RadiusAttribute[][]> {
  const json = JSON.stringify(rows);
  const lists = await client.$queryRaw<{ attributes: RadiusAttribute[] }[]>`
    SELECT ${attributesOf(Prisma.sql`row`)} AS attributes
    FROM jsonb_array_elements(${json}::jsonb) WITH ORDINALITY AS input (row, ordinal) ORDER BY ordinal`;
  return lists.map(({ attributes }) => attributes);
}
