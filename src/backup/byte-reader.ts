import { damaged } from './format.ts';

/** Reads lines and blocks of bytes from a stream. */
type ByteReader = {
  /** Returns the next line with its line break, or undefined if the stream ends before. */
  readLine(maxBytes: number): Promise<Buffer | undefined>;
  /** Returns the next `count` bytes, or undefined if the stream ends before. */
  readBytes(count: number): Promise<Buffer | undefined>;
  isAtEnd(): Promise<boolean>;
};

/** Reads from `chunks`, and keeps in memory no more than one chunk in addition to what it returns. */
export function createByteReader(chunks: AsyncIterable<Buffer>): ByteReader {
  const iterator = chunks[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);

  /** Returns bytes until `findEnd` finds their end in a chunk; -1 continues with the next chunk. */
  const readUntil = async (findEnd: (chunk: Buffer, bytesBefore: number) => number) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    for (;;) {
      const end = findEnd(rest, bytes);
      parts.push(end === -1 ? rest : rest.subarray(0, end));
      if (end !== -1) {
        rest = rest.subarray(end);
        return parts.length === 1 ? parts[0] : Buffer.concat(parts);
      }
      bytes += rest.length;
      const next = await iterator.next();
      if (next.done) {
        rest = Buffer.alloc(0);
        return undefined;
      }
      rest = next.value;
    }
  };

  return {
    readLine: (maxBytes) =>
      readUntil((chunk, before) => {
        const at = chunk.indexOf('\n');
        if (before + (at === -1 ? chunk.length : at) > maxBytes) throw damaged('a line is too long');
        return at === -1 ? -1 : at + 1;
      }),
    readBytes: (count) => readUntil((chunk, before) => (before + chunk.length < count ? -1 : count - before)),
    async isAtEnd() {
      while (rest.length === 0) {
        const next = await iterator.next();
        if (next.done) return true;
        rest = next.value;
      }
      return false;
    },
  };
}
