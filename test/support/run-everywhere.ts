import { createCommandLine } from './command-line.ts';
import { startServer } from './server-process.ts';

/** The output of each of the three programs that an operator starts with a `DATABASE_URL`. */
export type Outputs = {
  readonly serve: { readonly code: number | null; readonly stderr: string };
  readonly migrate: { readonly code: unknown; readonly stderr: string; readonly message: string };
  readonly doctor: {
    readonly code: unknown;
    readonly stdout: string;
    readonly stderr: string;
    /** The messages of the failed checks. */
    readonly wrong: readonly string[];
  };
  /** All output, on both streams. */
  readonly everything: string;
};

/**
 * Starts the server, `migrate --json` and `doctor --json` on a database that does not work. The server is expected to exit.
 */
export async function runEverywhere(url: string, environment: Record<string, string> = {}): Promise<Outputs> {
  const server = startServer({ DATABASE_URL: url, LOG_LEVEL: 'info', ...environment });
  // A server that starts successfully would never exit.
  server.ready.then(
    () => server.kill('SIGTERM'),
    () => undefined,
  );
  const commandLine = createCommandLine(() => ({ url }));
  Object.assign(commandLine.environment, environment);
  const [serve, migrate, doctor] = await Promise.all([
    server.exited,
    commandLine.run('migrate', '--json'),
    commandLine.run('doctor', '--json'),
  ]);
  const { checks } = JSON.parse(doctor.stdout) as { checks: { state: string; message: string }[] };
  const wrong = checks.filter(({ state }) => state === 'wrong').map(({ message }) => message);
  const { error } = JSON.parse(migrate.stderr || '{"error":{}}') as { error: { message?: string } };
  const everything = [serve, migrate, doctor].map(({ stdout, stderr }) => stdout + stderr).join('\n');
  return {
    serve,
    migrate: { ...migrate, message: error.message ?? '' },
    doctor: { ...doctor, wrong },
    everything,
  };
}

/** The line of the server without its prefix. */
export function lineOf({ stderr }: { readonly stderr: string }): string {
  return stderr.replace(/^group-api: /, '').trimEnd();
}
