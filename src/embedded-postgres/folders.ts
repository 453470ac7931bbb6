import { access, rename, rm } from 'node:fs/promises';

/** Renames a folder. If another process created `to` first, keeps that and deletes `from`. */
export async function renameOrDiscard(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!(await exists(to))) throw error;
    await rm(from, { recursive: true, force: true });
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
