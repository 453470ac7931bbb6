import { batchFinished, type FinishedBatch } from '../measurements/channels.ts';
import { tracer } from '../measurements/tracer.ts';
import type { MutationCall } from '../mutations/mutation-call.ts';

/** A delete that waits for a statement. */
type WaitingDelete = {
  readonly request: { readonly call: Pick<MutationCall, 'summary'> };
  /** Since when, by the clock of `performance.now()`. */
  waitingSince: number;
};

/**
 * Runs the statement of a batch, and notes its times in the summaries of the requests that it carries. They wait again
 * from its end, for those whose delete is repeated alone.
 */
export async function measureBatch<T>(
  batch: readonly WaitingDelete[],
  kind: FinishedBatch['kind'],
  statement: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  let isSuccess = false;
  try {
    const traces = tracer && batch.map(({ request }) => request.call.summary?.trace);
    const result = await (traces ? tracer!.runBatch(traces, statement) : statement());
    isSuccess = true;
    return result;
  } finally {
    const endedAt = performance.now();
    const statementMs = endedAt - startedAt;
    const size = batch.length;
    if (batchFinished.hasSubscribers) {
      const waitsMs = batch.map(({ waitingSince }) => startedAt - waitingSince);
      batchFinished.publish({ size, kind, waitsMs, statementMs, isSuccess });
    }
    for (const waiting of batch) {
      const { summary } = waiting.request.call;
      if (summary) {
        summary.batchSize = Math.max(summary.batchSize, size);
        summary.waitMs += startedAt - waiting.waitingSince;
        summary.statementMs += statementMs;
      }
      waiting.waitingSince = endedAt;
    }
  }
}
