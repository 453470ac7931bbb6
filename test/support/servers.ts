import { afterEach } from '@jest/globals';
import { startServer, type ServerProcess } from './server-process.ts';

/** Returns a function that starts a server in a process, which ends after the test at the latest. */
export function useServers(): typeof startServer {
  const running = new Set<ServerProcess>();
  afterEach(async () => {
    for (const server of running) server.kill('SIGTERM');
    await Promise.all([...running].map(({ exited }) => exited));
  });
  return (...startArguments) => {
    const server = startServer(...startArguments);
    running.add(server);
    void server.exited.then(() => running.delete(server));
    return server;
  };
}
