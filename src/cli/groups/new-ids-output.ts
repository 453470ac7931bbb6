import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OperatorError } from '../../errors.ts';
import type { IdMap } from '../../transfer/id-map.ts';
import type { NewIdMaps } from '../../transfer/new-ids.ts';
import { openOutputFile } from '../output-file.ts';

/**
 * Creates a file for the new ids of an import, which appears under its name after the import. Its format is that of its
 * ending.
 * @throws OperatorError if it exists and `isReplaced` is not set, or if its ending is neither `.csv` nor `.json`.
 */
export async function openNewIdsFile(name: string, isReplaced: boolean) {
  const isJson = /\.json$/i.test(name);
  if (!isJson && !/\.csv$/i.test(name))
    throw new OperatorError(`--map requires a name that ends in .csv or .json, not ${name}`);
  const file = await openOutputFile(name, isReplaced);
  return {
    discard: () => file.discard(),

    /** Writes the whole file and flushes it to the disk. @throws OperatorError */
    async write(maps: NewIdMaps): Promise<void> {
      const chunks = isJson ? formatJson(maps) : formatCsv(maps);
      await pipeline(Readable.from(chunks), file.stream).catch((error: unknown) => {
        throw file.explain(error);
      });
    },

    /** Renames the file to its final name, after the import. @throws OperatorError */
    async finish(): Promise<void> {
      await file.finish().catch(async (error: unknown) => {
        await file.discard();
        const reason = (file.explain(error) as Error).message;
        throw new OperatorError(`The groups were imported, but the map was not written: ${reason}`);
      });
    },
  };
}

/** Prints the result of an import with its new ids to standard output, as JSON or as text, with backpressure. */
export async function printWithNewIds(
  asJson: true | undefined,
  value: object,
  text: string,
  maps: NewIdMaps,
): Promise<void> {
  function* chunks() {
    if (asJson) {
      // The object without its closing brace.
      yield `${JSON.stringify(value).slice(0, -1)},"newIds":`;
      yield* formatJson(maps);
      yield '}\n';
    } else {
      yield `${text}\nnew ids:\n`;
      yield* formatText(maps);
    }
  }
  await pipeline(Readable.from(chunks()), process.stdout, { end: false });
}

const labels = { serviceGroups: 'service group', groups: 'group', deletedGroups: 'deleted group' } as const;
const csvKinds = { serviceGroups: 'serviceGroup', groups: 'group', deletedGroups: 'deletedGroup' } as const;
const kinds = Object.keys(labels) as (keyof NewIdMaps)[];
/** The number of ids in a chunk of output: there may be a million. */
const chunkSize = 1000;

function* formatText(maps: NewIdMaps): Generator<string> {
  for (const kind of kinds)
    yield* formatChunks(maps[kind], (oldId, newId) => `${labels[kind]} ${oldId} -> ${newId}\n`);
}

function* formatCsv(maps: NewIdMaps): Generator<string> {
  yield 'kind,oldId,newId\n';
  for (const kind of kinds)
    yield* formatChunks(maps[kind], (oldId, newId) => `${csvKinds[kind]},${oldId},${newId}\n`);
}

/** An object for each kind: the new ids by the old ones. */
function* formatJson(maps: NewIdMaps): Generator<string> {
  for (const kind of kinds) {
    yield `${kind === kinds[0] ? '{' : '},'}"${kind}":{`;
    let separator = '';
    yield* formatChunks(maps[kind], (oldId, newId) => {
      const entry = `${separator}"${oldId}":${newId}`;
      separator = ',';
      return entry;
    });
  }
  yield '}}';
}

function* formatChunks(map: IdMap, format: (oldId: number, newId: number) => string): Generator<string> {
  let chunk: string[] = [];
  for (const [oldId, newId] of map.entries()) {
    chunk.push(format(oldId, newId));
    if (chunk.length < chunkSize) continue;
    yield chunk.join('');
    chunk = [];
  }
  if (chunk.length > 0) yield chunk.join('');
}
