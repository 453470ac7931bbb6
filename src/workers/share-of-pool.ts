import type { Config } from '../config/settings.ts';

/** Returns the number of database connections of one worker: an equal share of DATABASE_POOL_SIZE, at least 1. */
export function shareOfPool(config: Pick<Config, 'DATABASE_POOL_SIZE' | 'WORKERS'>): number {
  return Math.max(1, Math.floor(config.DATABASE_POOL_SIZE / config.WORKERS));
}
