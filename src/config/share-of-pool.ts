import type { Config } from './settings.ts';

type PoolSettings = Pick<Config, 'DATABASE_POOL_SIZE' | 'WORKERS'>;

/** Two batches of deletes, and other requests while both run: see group-commit.ts. */
const minWorkerConnections = 5;

/** Returns the number of database connections of one worker: an equal share of DATABASE_POOL_SIZE, at least 1. */
export function shareOfPool({ DATABASE_POOL_SIZE, WORKERS }: PoolSettings): number {
  return Math.max(1, Math.floor(DATABASE_POOL_SIZE / WORKERS));
}

/** Returns a warning for the operator, if several workers have fewer than 5 connections each. */
export function warnOfSmallShare(config: PoolSettings): string[] {
  const { DATABASE_POOL_SIZE, WORKERS } = config;
  const share = shareOfPool(config);
  if (WORKERS === 1 || share >= minWorkerConnections) return [];
  return [
    `DATABASE_POOL_SIZE=${DATABASE_POOL_SIZE} gives each of ${WORKERS} WORKERS ${share} of at least ` +
      `${minWorkerConnections} connections, so that requests wait for one another: set DATABASE_POOL_SIZE to ` +
      `${minWorkerConnections * WORKERS} or more, or WORKERS to fewer`,
  ];
}
