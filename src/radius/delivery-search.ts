import { parseDeliveryId } from '../events/webhooks/delivery-search.ts';
import { parseCursor } from '../validation/cursor.ts';
import { parsePageSize } from '../validation/input-parsers.ts';
import type { DeliverySearch } from './delivery-repository.ts';

/** Parses the options of a list of deliveries. @throws AppError BAD_USER_INPUT */
export function parseDeliverySearch(options: {
  isFailed: boolean;
  first: unknown;
  after: string | undefined;
}): DeliverySearch {
  const { isFailed, first, after } = options;
  return {
    isFailed,
    first: parsePageSize(first),
    before: after === undefined ? undefined : parseCursor(after, [parseDeliveryId])[0],
  };
}
