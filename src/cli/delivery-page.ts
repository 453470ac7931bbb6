import type { Command } from 'commander';
import type { DeliverySearch } from '../deliveries/delivery-list.ts';
import type { TotalCount } from '../validation/total-count.ts';
import { printPage, type PageOptions } from './pages.ts';
import { readNumber } from './read-values.ts';

/** The options of a command that lists deliveries. */
export type DeliveriesOptions = PageOptions & { failed?: true };

/** A column of the table: its head, and the text of a delivery. */
export type DeliveryColumn<Delivery> = readonly [head: string, cell: (delivery: Delivery) => string];

type Deliveries<Delivery, Search> = {
  list(search: Search): Promise<{ nodes: Delivery[]; hasNextPage: boolean }>;
  count(search: Search): Promise<TotalCount>;
};

/** Parses the page of `options`. @throws AppError BAD_USER_INPUT */
export async function readDeliverySearch({
  failed,
  first,
  after,
}: DeliveriesOptions): Promise<DeliverySearch> {
  const { parseDeliverySearch } = await import('../deliveries/delivery-list.ts');
  return parseDeliverySearch({ isFailed: failed ?? false, first: readNumber(first), after });
}

/** Reads and prints a page of deliveries. */
export async function printDeliveries<
  Delivery extends { readonly id: bigint },
  Search extends DeliverySearch,
>(
  command: Command,
  deliveries: Deliveries<Delivery, Search>,
  search: Search,
  columns: readonly DeliveryColumn<Delivery>[],
): Promise<void> {
  const { formatDeliveryCursor } = await import('../deliveries/delivery-list.ts');
  const { nodes, hasNextPage } = await deliveries.list(search);
  const last = nodes.at(-1);
  const page = {
    // Ids may exceed the range of a JSON number.
    items: nodes.map((delivery) => ({ ...delivery, id: String(delivery.id) })),
    hasNextPage,
    endCursor: last ? formatDeliveryCursor(last) : null,
    count: () => deliveries.count(search),
  };
  const rows = nodes.map((delivery) => columns.map(([, cell]) => cell(delivery)));
  const head = columns.map(([name]) => name);
  await printPage(command, 'deliveries', page, head, rows);
}
