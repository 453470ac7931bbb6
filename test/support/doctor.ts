import { afterAll, beforeAll, beforeEach, expect } from '@jest/globals';
import { createCommandLine } from './command-line.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

type Check = { readonly name: string; readonly state: string; readonly message: string };

/**
 * Opens a database for all tests of the file, on which `doctor` runs. A test may change the URL in `target` and the
 * settings in `environment`: both are reset before each test.
 */
export function useDoctor() {
  const database = {} as TestDatabase;
  const target = { url: '' };
  const { run, environment } = createCommandLine(() => target);
  beforeAll(async () => {
    Object.assign(database, await createTestDatabase());
  });
  afterAll(() => database.drop());
  beforeEach(() => {
    target.url = database.url;
    for (const name of Object.keys(environment)) delete environment[name];
  });

  /** Runs `doctor --json`, and returns its checks. */
  const examine = async () => {
    const { code, stdout, stderr } = await run('doctor', '--json');
    expect(stderr).toBe('');
    const { isWrong, checks } = JSON.parse(stdout) as { isWrong: boolean; checks: Check[] };
    expect(code).toBe(isWrong ? 1 : 0);
    return { isWrong, checks, of: (name: string) => checks.filter((check) => check.name === name) };
  };
  return { database, target, run, environment, examine };
}
