import { badInput } from '../../errors.ts';

/** How a file's text is encoded. */
export type FileEncoding = 'utf-8' | 'utf-16le' | 'utf-16be';

/** How many bytes tell what a file is. */
const markLength = 8;

/** What files begin with that are taken for CSV by mistake. */
const otherFiles: readonly (readonly [start: string, name: string])[] = [
  ['504b0304', 'an Excel workbook (.xlsx) or another ZIP archive'],
  ['d0cf11e0', 'an Excel workbook (.xls)'],
  ['25504446', 'a PDF document'],
  ['7b5c727466', 'an RTF document'],
  ['1f8b', 'a gzip archive'],
];

/** How to get a file that can be read, for messages. */
export const saveAsUtf8 =
  'Save it as UTF-8: in Excel by "Save As" and the file type "CSV UTF-8", in other programs by the character set of the export';

/**
 * Decodes a file as its bytes come in: UTF-16 where a byte order mark says so, else UTF-8. What is not valid becomes U+FFFD.
 * `onEncoding` is called before the first text.
 * @throws AppError BAD_USER_INPUT where the file is no text, or UTF-16 without a mark.
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
