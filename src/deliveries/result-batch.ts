/** Results of attempts that wait to be stored together. */
type ResultBatch<Result> = {
  /** Adds a result, which is stored within 100 ms unless the database is unavailable. */
  add(result: Result): void;
  /** Stores all results now. Rejects if they cannot be stored: they are stored later. */
  flush(): Promise<void>;
  /** Whether all results are stored. */
  isEmpty(): boolean;
  /** Stores all results, or reports that they could not be stored, and ends. */
  close(): Promise<void>;
};

/** Results are stored together, at the latest after this time. */
const storeMs = 100;
/** The delay after an error of the database. */
const retryMs = 1000;

/**
 * Creates a batch that is stored by `store`, together with the results that arrive while the statement before runs.
 * `onError` receives the errors of stores in the background.
 */
export function createResultBatch<Result>(
  store: (results: readonly Result[]) => Promise<void>,
  onError: (error: unknown) => void,
): ResultBatch<Result> {
  let results: Result[] = [];
  let storing: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const storeAll = async () => {
    while (results.length > 0) {
      const batch = results;
      results = [];
      try {
        await store(batch);
      } catch (error) {
        // These attempts were made: they would be repeated if their results were lost.
        results = [...batch, ...results];
        flushLater(retryMs);
        throw error;
      }
    }
  };
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    storing ??= storeAll().finally(() => (storing = undefined));
    return storing;
  };
  const flushLater = (delayMs: number) => {
    timer ??= setTimeout(() => void flush().catch(onError), delayMs);
  };

  return {
    add(result) {
      results.push(result);
      flushLater(storeMs);
    },
    flush,
    isEmpty: () => results.length === 0 && storing === undefined,
    async close() {
      // Results that arrive at its very end are not among those that it stores.
      await storing?.catch(() => undefined);
      await flush().catch(onError);
      clearTimeout(timer);
    },
  };
}
