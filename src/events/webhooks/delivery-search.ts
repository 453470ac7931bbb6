import { badInput } from '../../errors.ts';
import { formatCursor, parseCursor } from '../../validation/cursor.ts';
import { parsePageSize, type Parse } from '../../validation/input-parsers.ts';
import { quoteValue } from '../../validation/quote-value.ts';
import type { DeliverySearch } from './delivery-repository.ts';
import { parseEndpointId } from './endpoint.ts';

/** Parses the options of a list of deliveries. @throws AppError BAD_USER_INPUT */
export function parseDeliverySearch(options: {
  webhook: unknown;
  isFailed: boolean;
  first: unknown;
  after: string | undefined;
}): DeliverySearch {
  const { webhook, isFailed, first, after } = options;
  return {
    endpointId: webhook === undefined ? undefined : parseEndpointId(webhook),
    isFailed,
    first: parsePageSize(first),
    before: after === undefined ? undefined : parseCursor(after, [parseDeliveryId])[0],
  };
}

/** Returns the cursor of a delivery. */
export function formatDeliveryCursor({ id }: { readonly id: bigint }): string {
  return formatCursor([String(id)]);
}

/** Parses the id of a delivery. @throws AppError BAD_USER_INPUT */
export const parseDeliveryId: Parse<bigint> = (value, argument) => {
  if (typeof value !== 'string' || !/^[1-9]\d{0,17}$/.test(value))
    throw badInput(argument, `${argument} must be the id of a delivery, not ${quoteValue(value)}`);
  return BigInt(value);
};
