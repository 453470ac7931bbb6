// Loaded into a server by trace-delete.js: counts calls from the message `start`, and replies to `take` with the
// scripts that ran.
import { Session } from 'node:inspector/promises';

const session = new Session();
session.connect();
process.on('message', async (message) => {
  if (message === 'start') {
    await session.post('Profiler.enable');
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    await session.post('Profiler.takePreciseCoverage');
    process.send([]);
  } else {
    const { result } = await session.post('Profiler.takePreciseCoverage');
    const hasRun = ({ functions }) => functions.some(({ ranges: [range] }) => range.count > 0);
    process.send(result.filter(hasRun).map((script) => script.url));
  }
});
// The parent must not keep the server from ending.
process.channel.unref();
