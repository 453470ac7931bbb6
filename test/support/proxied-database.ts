import { connect, type Socket } from 'node:net';

/** Connects to the PostgreSQL of a database's URL, by its socket or by TCP. */
export function connectTo(databaseUrl: string): Socket {
  const target = new URL(databaseUrl);
  const folder = target.searchParams.get('host');
  return folder ? connect(`${folder}/.s.PGSQL.5432`) : connect(Number(target.port || 5432), target.hostname);
}

/** Returns a database's URL through a proxy that listens on a port of this machine. */
export function urlThrough(port: number, databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  url.username ||= url.searchParams.get('user') ?? '';
  url.search = '';
  return url.href;
}
