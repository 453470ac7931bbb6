import { Readable } from 'node:stream';
import type { Static } from 'typebox';
import type { NumberGroup } from './number-groups/number-group.ts';
import type { NumberListRepository } from './number-groups/number-list-repository.ts';
import { createJalaliFormatter } from './jalali-date.ts';
import { done, type answers } from './schemas.ts';
import type { AskedSearch } from './search-request.ts';

type Answer<Name extends keyof typeof answers> = Static<(typeof answers)[Name]>;

/** Writes what the services answer, as the vendor's documents have it. */
export function createAnswers(numberLists: NumberListRepository, timeZone: string) {
  const formatDate = createJalaliFormatter(timeZone);

  /** A group with all its numbers, which are read as the client takes them. */
  async function* writeGroup({ name, description, count, createdAt, listId }: NumberGroup) {
    yield `{"success":1,"message":${JSON.stringify(done)},"data":{"name":${JSON.stringify(name)},"numbers":[`;
    let separator = '';
    for await (const numbers of numberLists.readNumbers(listId)) {
      yield separator + JSON.stringify(numbers).slice(1, -1);
      separator = ',';
    }
    const date = { $date: { $numberLong: String(createdAt.getTime()) } };
    yield `],${JSON.stringify({ description, date, count }).slice(1)}}`;
  }

  return {
    added: (_id: string): Answer<'add'> => ({ success: 1, message: done, data: { _id } }),

    updated: (group: NumberGroup): Readable => Readable.from(writeGroup(group)),

    removed: (): Answer<'remove'> => ({ success: 1, message: done, data: '' }),

    found: (
      { pagination }: AskedSearch,
      { groups, total }: { groups: readonly NumberGroup[]; total: number },
    ): Answer<'search'> => ({
      success: 1,
      message: '',
      data: {
        pagination: { ...pagination, total },
        data: groups.map(({ id, name, description, count, createdAt }) => ({
          _id: id,
          name,
          description,
          count,
          date: formatDate(createdAt),
        })),
      },
    }),

    uploaded: (filename: string): Answer<'upload'> => ({ success: 1, message: '', data: { filename } }),
  };
}
