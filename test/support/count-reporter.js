import { appendFileSync } from 'node:fs';

/**
 * Appends the counts of a run to the file TEST_COUNTS_FILE, as a line of JSON, if it is set. With CI=true a skipped test
 * fails the run: a program that tests need is missing there.
 */
export default class CountReporter {
  #error;

  onRunComplete(_contexts, results) {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites, numPendingTests, numTodoTests } =
      results;
    const file = process.env.TEST_COUNTS_FILE;
    const counts = {
      numPassedTests,
      numFailedTests,
      numRuntimeErrorTestSuites,
      numPendingTests,
      numTodoTests,
    };
    if (file) appendFileSync(file, JSON.stringify(counts) + '\n');
    if (process.env.CI !== 'true' || numPendingTests + numTodoTests === 0) return;
    const names = results.testResults
      .flatMap(({ testResults }) => testResults)
      .filter(({ status }) => ['pending', 'skipped', 'todo', 'disabled'].includes(status))
      .map(({ fullName }) => `  ${fullName}`);
    this.#error = new Error(
      `In CI a skipped test is a failure: ${names.length} skipped\n${names.join('\n')}`,
    );
    process.stderr.write(`${this.#error.message}\n`);
  }

  getLastError() {
    return this.#error;
  }
}
