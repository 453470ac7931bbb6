/** How often the line is written, in milliseconds. */
const intervalMs = 200;

/** Tells a person at a terminal how far a command has come, on one line of standard error. Elsewhere it writes nothing. */
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
    /** Takes the line away, for what is said in the end. */
    end() {
      if (writtenAt > 0) process.stderr.write('\r\u001b[K');
    },
  };
}
