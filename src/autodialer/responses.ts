import { Readable } from 'node:stream';
import type { Static } from 'typebox';
import type { NumberGroup } from './number-groups/number-group.ts';
import type { NumberListRepository } from './number-groups/number-list-repository.ts';
import { createJalaliFormatter } from './jalali-date.ts';
import { done, type responses } from './schemas.ts';
import type { ParsedSearch } from './search-request.ts';

type Response<Name extends keyof typeof responses> = Static<(typeof responses)[Name]>;

/** Creates the functions that build the responses of the services, as the vendor documents them. */
export function createResponses(numberLists: NumberListRepository, timeZone: string) {
  const formatDate = createJalaliFormatter(timeZone);

  /** Writes a group with all its numbers, which are read from the database as the client receives them. */
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
    added: (_id: string): Response<'add'> => ({ success: 1, message: done, data: { _id } }),

    updated: (group: NumberGroup): Readable => Readable.from(writeGroup(group)),

    removed: (): Response<'remove'> => ({ success: 1, message: done, data: '' }),

    found: (
      { pagination }: ParsedSearch,
      { groups, total }: { groups: readonly NumberGroup[]; total: number },
    ): Response<'search'> => ({
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

    uploaded: (filename: string): Response<'upload'> => ({ success: 1, message: '', data: { filename } }),
  };
}
