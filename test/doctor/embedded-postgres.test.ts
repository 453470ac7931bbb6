import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openEmbeddedPostgres } from '../../src/embedded-postgres/cluster.ts';
import { useDoctor } from '../support/doctor.ts';
import { createTestFolder } from '../support/test-folder.ts';

const { target, run, environment, examine } = useDoctor();

describe('the embedded PostgreSQL', () => {
  test('doctor does not create an embedded PostgreSQL; it starts, checks and stops an existing one', async () => {
    const folder = await createTestFolder();
    target.url = '';
    environment['DATA_DIR'] = join(folder, 'data');
    const none = await examine();
    expect([none.isWrong, none.checks.map(({ name }) => name)]).toStrictEqual([
      false,
      ['settings', 'data folder', 'disk space'],
    ]);
    expect(none.of('data folder')[0]!.message).toContain(
      'No embedded database yet: the first start creates it in',
    );
    expect(await readdir(folder)).toStrictEqual([]);

    const postgres = await openEmbeddedPostgres(environment['DATA_DIR']);
    await postgres.close();
    const { isWrong, of } = await examine();
    expect([isWrong, of('data folder'), of('database'), of('migrations')]).toMatchObject([
      false,
      [{ state: 'ok', message: expect.stringContaining('exists and belongs to') }],
      [{ state: 'ok' }],
      [{ state: 'warning' }],
    ]);
    expect(await readdir(join(environment['DATA_DIR'], 'postgres'))).not.toContain('postmaster.pid');
    await rm(folder, { recursive: true, force: true });
  });

  test('doctor reports a data folder that cannot be created', async () => {
    target.url = '';
    environment['DATA_DIR'] = '/dev/null/data';
    const { isWrong, of } = await examine();
    expect([isWrong, of('data folder')[0]!.state]).toStrictEqual([true, 'wrong']);
  });

  test('doctor reports an embedded PostgreSQL that is a standby', async () => {
    const folder = await createTestFolder();
    target.url = '';
    environment['DATA_DIR'] = folder;
    const postgres = await openEmbeddedPostgres(folder);
    await postgres.close();
    await writeFile(join(folder, 'postgres', 'standby.signal'), '');
    const { isWrong, of } = await examine();
    await rm(folder, { recursive: true, force: true });
    expect([isWrong, of('database')]).toMatchObject([
      true,
      [{ state: 'wrong', message: expect.stringContaining('is a standby') }],
    ]);
  });

  /** Expects the error of the start, and that nothing was created. */
  const expectSameError = async (message: RegExp) => {
    target.url = '';
    const { isWrong, of } = await examine();
    expect([isWrong, of('data folder')]).toMatchObject([
      true,
      [{ state: 'wrong', message: expect.stringMatching(message) }],
    ]);
    const { code, stderr } = await run('migrate');
    expect([code, stderr]).toStrictEqual([1, expect.stringContaining(of('data folder')[0]!.message)]);
  };

  test('doctor reports a socket path that is too long', async () => {
    const folder = await createTestFolder();
    environment['DATA_DIR'] = join(folder, 'x'.repeat(90));
    await expectSameError(/^DATA_DIR must be a shorter path/);
    expect(await readdir(folder)).toStrictEqual([]);
    await rm(folder, { recursive: true, force: true });
  });

  const testAsRoot = process.getuid?.() === 0 ? test : test.skip;

  testAsRoot("cannot be made in another user's folder with something in it", async () => {
    const folder = await createTestFolder();
    await writeFile(join(folder, 'letter'), '');
    environment['DATA_DIR'] = folder;
    await expectSameError(/it is neither empty nor owned by the user group-api$/);
    expect(await readdir(folder)).toStrictEqual(['letter']);
    await rm(folder, { recursive: true, force: true });
  });

  testAsRoot('can be created next to the copied binaries', async () => {
    const folder = await createTestFolder();
    await mkdir(join(folder, 'postgresql-18.0.0'));
    target.url = '';
    environment['DATA_DIR'] = folder;
    const { isWrong, of } = await examine();
    expect([isWrong, of('data folder')]).toMatchObject([
      false,
      [{ state: 'ok', message: expect.stringContaining('the first start creates it in') }],
    ]);
    await rm(folder, { recursive: true, force: true });
  });

  testAsRoot('cannot be made below a path that its user cannot enter', async () => {
    const folder = await createTestFolder();
    await chmod(folder, 0o700);
    environment['DATA_DIR'] = join(folder, 'data');
    await expectSameError(/the user group-api cannot enter \S+\. Allow access to it/);
    expect(await readdir(folder)).toStrictEqual([]);
    await rm(folder, { recursive: true, force: true });
  });
});
