// A bare node:http that reads a body and answers a constant: nothing can be faster here.
import { createServer } from 'node:http';
import { host, port } from './schema.js';
import { constantGroup } from './constant.js';

const body = JSON.stringify({ data: { deleteGroup: constantGroup } });
createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    JSON.parse(Buffer.concat(chunks).toString());
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body);
  });
}).listen(port, host);
