// A receiver of webhooks in its own process, which tests kill: appends each event to a file before it accepts it.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const [port, file] = process.argv.slice(2);
createServer(async (request, response) => {
  const { type, data } = JSON.parse(await text(request));
  const id = request.headers['webhook-id'];
  appendFileSync(file, `${JSON.stringify({ id, type, groupId: data.group.id })}\n`);
  response.writeHead(204).end();
}).listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'));
