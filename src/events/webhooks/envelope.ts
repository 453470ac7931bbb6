import type { ClaimedDelivery } from './delivery-statements.ts';

/** Writes the body of a delivery: type, timestamp of the event, and data, as Standard Webhooks 1.0 recommends. */
export function writeEnvelope({
  eventType,
  eventAt,
  data,
}: Pick<ClaimedDelivery, 'eventType' | 'eventAt' | 'data'>): string {
  return JSON.stringify({ type: eventType, timestamp: eventAt.toISOString(), data });
}
