/** Whether PgBouncer is installed. */
export const hasPgBouncer: boolean;

/** Starts a PgBouncer on a port of 127.0.0.1, for a PostgreSQL whose superuser `postgres` needs no password. */
export function startPgBouncer(
  server: { readonly host: string; readonly port: number },
  settings: Readonly<Record<string, string | number>>,
): Promise<{ readonly port: number; readonly pid: number; close(): Promise<void> }>;
