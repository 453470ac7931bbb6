const intervalMs = 200;

/** Shows the progress of a command on one line of standard error; does nothing if that is not a terminal. */
export function createProgress(verb: string): { report(recordCount: number): void; end(): void } {
  if (!process.stderr.isTTY) return { report: () => undefined, end: () => undefined };
  const startedAt = performance.now();
  let writtenAt = 0;
  return {
    report(recordCount) {
      const now = performance.now();
      if (now - writtenAt < intervalMs) return;
      writtenAt = now;
      const perSecond = Math.round(recordCount / ((now - startedAt) / 1000));
      process.stderr.write(`\r${verb} ${recordCount} records, ${perSecond} a second\u001b[K`);
    },
    /** Clears the line before the final output. */
    end() {
      if (writtenAt > 0) process.stderr.write('\r\u001b[K');
    },
  };
}
