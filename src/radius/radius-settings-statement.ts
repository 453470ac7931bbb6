import type { Config } from '../config/settings.ts';
import type { PrismaClient } from '../generated/prisma/client.ts';
import type { Logger } from '../log.ts';

type Units = Pick<Config, 'RADIUS_RATE_UNIT' | 'RADIUS_QUOTA_UNIT'>;

/**
 * Stores the units of this server for the views that FreeRADIUS reads, if the stored ones differ: the views cannot read
 * the settings of a server. Logs a warning about a change, since it changes the limits of every user at once.
 */
export async function storeRadiusSettings(prisma: PrismaClient, units: Units, log: Logger): Promise<void> {
  const { RADIUS_RATE_UNIT: rateUnit, RADIUS_QUOTA_UNIT: quotaUnit } = units;
  const [stored] = await prisma.$queryRaw<{ rateUnit: string; quotaUnit: string }[]>`
    SELECT rate_unit AS "rateUnit", quota_unit AS "quotaUnit" FROM radius_units`;
  if (stored!.rateUnit === rateUnit && stored!.quotaUnit === quotaUnit) return;
  const count = await prisma.$executeRaw`
    INSERT INTO radius_settings (rate_unit, quota_unit) VALUES (${rateUnit}, ${quotaUnit})
    ON CONFLICT (id) DO UPDATE SET rate_unit = excluded.rate_unit, quota_unit = excluded.quota_unit
    WHERE (radius_settings.rate_unit, radius_settings.quota_unit) <> (excluded.rate_unit, excluded.quota_unit)`;
  // Another server may have stored the same meanwhile.
  if (count === 0) return;
  log.warn(
    { from: stored, to: { rateUnit, quotaUnit } },
    'changed the units in which RADIUS reads plans, to those of this server: each server must have the same',
  );
}
