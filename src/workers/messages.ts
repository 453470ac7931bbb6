import type { App } from '../app.ts';
import type { Snapshot } from '../observability/metrics/metric-set.ts';

/** The argument after the number of a worker that replaces one which has served. */
export const replacementArgument = 'replacement';

/** What a worker reports of its app once it serves. */
export type ServingApp = Pick<App, 'url' | 'database' | 'createdKey' | 'sampleGroupId'>;

/** A message from a worker to the primary. */
export type WorkerMessage =
  | { readonly type: 'serving'; readonly app: ServingApp }
  /** The worker could not start, with the text for the operator. It exits. */
  | { readonly type: 'failed'; readonly text: string }
  /** The reply to `read-metrics`. */
  | { readonly type: 'metrics'; readonly snapshot: Snapshot }
  | {
      readonly type: 'count';
      readonly id: number;
      readonly key: string;
      readonly windowMs: number;
      readonly increment: boolean;
    };

/** A message from the primary to a worker. */
export type PrimaryMessage =
  | { readonly type: 'stop' }
  | { readonly type: 'read-metrics' }
  /** Ends the delay of a stop. */
  | { readonly type: 'hurry' }
  /** The reply to `count` with the same id. */
  | { readonly type: 'counted'; readonly id: number; readonly current: number; readonly ttl: number };
