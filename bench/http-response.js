// Responses of HTTP/1.1, read from a plain socket: a client of Node would need more CPU than some of the measured servers.

/**
 * Parses a response with a length or in chunks, from text in latin1. Returns its status, its head and its body, or
 * undefined if it is incomplete.
 */
export function readResponse(text) {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const status = Number(text.slice(9, 12));
  const head = text.slice(0, headEnd + 2);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    const end = headEnd + 4 + Number(length);
    return text.length < end ? undefined : { status, head, body: text.slice(headEnd + 4, end) };
  }
  if (!text.endsWith('\r\n0\r\n\r\n')) return undefined;
  let body = '';
  for (let at = headEnd + 4; ;) {
    const lineEnd = text.indexOf('\r\n', at);
    const size = parseInt(text.slice(at, lineEnd), 16);
    if (size === 0) return { status, head, body };
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
