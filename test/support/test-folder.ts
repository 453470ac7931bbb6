import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Creates a folder that the user of PostgreSQL can enter, if the tests run as root. */
export async function createTestFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'group-api-test-'));
  await chmod(folder, 0o755);
  return folder;
}
