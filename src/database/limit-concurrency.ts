/**
 * Returns a function that calls an asynchronous one, at most `maximum` times concurrently: further calls wait in their
 * order. The caller bounds the number of those that wait.
 */
export function limitConcurrency<A extends unknown[], T>(
  work: (...args: A) => Promise<T>,
  maximum: number,
): (...args: A) => Promise<T> {
  const waiting: (() => void)[] = [];
  let runningCount = 0;
  return async (...args) => {
    if (runningCount < maximum) runningCount++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work(...args);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else runningCount--;
    }
  };
}
