import { readConfig, type Config } from './config.ts';
import { StartError } from './errors.ts';

/** Reads the settings of this process: its environment, and what `.env` adds to it. @throws StartError */
export function readProcessConfig(): Config {
  try {
    // The environment has the last word.
    process.loadEnvFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new StartError(`.env must be a file of lines such as PORT=4000: ${(error as Error).message}`);
    }
  }
  return readConfig(process.env, process.getuid?.() === 0);
}
