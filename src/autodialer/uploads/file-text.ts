import { badInput } from '../../errors.ts';

/** The encoding of a file. */
export type FileEncoding = 'utf-8' | 'utf-16le' | 'utf-16be';

/** The number of bytes that identify a file type. */
const markLength = 8;

/** The first bytes of files that are uploaded as CSV by mistake. */
const otherFiles: readonly (readonly [start: string, name: string])[] = [
  ['504b0304', 'an Excel workbook (.xlsx) or another ZIP archive'],
  ['d0cf11e0', 'an Excel workbook (.xls)'],
  ['25504446', 'a PDF document'],
  ['7b5c727466', 'an RTF document'],
  ['1f8b', 'a gzip archive'],
];

/** Advice for messages. */
export const saveAsUtf8 =
  'Save it as UTF-8: in Excel by "Save As" and the file type "CSV UTF-8", in other programs by the character set of the export';

/**
 * Decodes a file as its bytes arrive: as UTF-16 if it has such a byte order mark, otherwise as UTF-8. Invalid bytes
 * become U+FFFD. Calls `onEncoding` before the first text.
 * @throws AppError BAD_USER_INPUT if the file is not text, or UTF-16 without a byte order mark.
 */
export async function* decodeFile(
  bytes: AsyncIterable<Buffer>,
  onEncoding: (encoding: FileEncoding) => void,
): AsyncGenerator<string> {
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  let start = Buffer.alloc(0);
  const open = (): string => {
    const encoding = findEncoding(start);
    onEncoding(encoding);
    // The decoder removes the mark.
    decoder = new TextDecoder(encoding);
    return decoder.decode(start, { stream: true });
  };
  for await (const chunk of bytes) {
    if (decoder) {
      yield decoder.decode(chunk, { stream: true });
      continue;
    }
    start = Buffer.concat([start, chunk]);
    if (start.length >= markLength) yield open();
  }
  if (!decoder) yield open();
  yield decoder!.decode();
}

function findEncoding(start: Buffer): FileEncoding {
  const hex = start.subarray(0, markLength).toString('hex');
  if (hex.startsWith('fffe')) return 'utf-16le';
  if (hex.startsWith('feff')) return 'utf-16be';
  const other = otherFiles.find(([bytes]) => hex.startsWith(bytes));
  if (other) throw badInput('file', `file is ${other[1]}, not a CSV file or vCards. Save it as CSV in UTF-8`);
  if (start.subarray(0, markLength).includes(0))
    throw badInput('file', `file is not text in UTF-8, or in UTF-16 with a byte order mark. ${saveAsUtf8}`);
  return 'utf-8';
}
