import { Readable } from 'node:stream';
import type { Static } from 'typebox';
import { AppError } from '../errors.ts';
import type { NumberGroup } from './number-groups/number-group.ts';
import type { NumberListRepository } from './number-groups/number-list-repository.ts';
import { createJalaliFormatter } from './jalali-date.ts';
import type { responses } from './schemas.ts';
import type { ParsedSearch } from './search-request.ts';
import { done } from './vendor-messages.ts';

type Response<Name extends keyof typeof responses> = Static<(typeof responses)[Name]>;

/** Creates the functions that build the responses of the services, as the vendor documents them. */
export function createResponses(numberLists: NumberListRepository, timeZone: string) {
  const formatDate = createJalaliFormatter(timeZone);

  /**
   * Writes a group with all its numbers, which are read from the database as the client receives them. Writes nothing
   * before the first numbers are read, so that an error until then has its own status.
   */
  async function* writeGroup({ name, description, count, createdAt, listId }: NumberGroup) {
    let start = `{"success":1,"message":${JSON.stringify(done)},"data":{"name":${JSON.stringify(name)},"numbers":[`;
    let separator = '';
    try {
      for await (const numbers of numberLists.readNumbers(listId)) {
        yield start + separator + JSON.stringify(numbers).slice(1, -1);
        [start, separator] = ['', ','];
      }
    } catch (error) {
      throw start === '' ? error : numbersUnavailable(error);
    }
    const date = { $date: { $numberLong: String(createdAt.getTime()) } };
    yield `${start}],${JSON.stringify({ description, date, count }).slice(1)}}`;
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

/** Converts the error of a read after the change: a caller must not conclude that nothing was changed. */
function numbersUnavailable(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'SERVICE_UNAVAILABLE') return error;
  const message =
    'The group was updated, but the database is unavailable, so that its numbers cannot be returned. ' +
    'Repeat the call later to get them';
  return new AppError('SERVICE_UNAVAILABLE', message, {}, { cause: error });
}
