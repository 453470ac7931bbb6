import { AppError } from '../../errors.ts';
import type { WebhookEndpoint as EndpointRow } from '../../generated/prisma/client.ts';
import { parseId, textParser } from '../../validation/input-parsers.ts';

/** A receiver of events, without its secrets. */
export type Endpoint = Omit<EndpointRow, 'secret' | 'previousSecret' | 'cursor'> & {
  /**
   * `enabled`: the last attempt has succeeded, or there was none; `unavailable`: it has failed; `failing`: a delivery
   * has failed finally, and no attempt has succeeded since; `disabled`: receives nothing.
   */
  readonly state: 'enabled' | 'unavailable' | 'failing' | 'disabled';
};

/** Removes the secrets from a row. */
export function toEndpoint({
  secret: _secret,
  previousSecret: _previousSecret,
  cursor: _cursor,
  ...row
}: EndpointRow): Endpoint {
  const { disabledAt, failingSince, unavailableSince } = row;
  const state = disabledAt
    ? 'disabled'
    : failingSince
      ? 'failing'
      : unavailableSince
        ? 'unavailable'
        : 'enabled';
  return { ...row, state };
}

/** Returns an endpoint for the audit log, without the path and the query of its URL, which may contain a secret. */
export function toAudited(endpoint: Endpoint): Endpoint {
  return { ...endpoint, url: `${new URL(endpoint.url).origin}/…` };
}

/** Parses the id of an endpoint. @throws AppError BAD_USER_INPUT */
export function parseEndpointId(value: unknown): number {
  return parseId(value, 'id', 'Webhook');
}

/** Parses the description of an endpoint: up to 200 characters. @throws AppError BAD_USER_INPUT */
export function parseDescription(value: string): string {
  return textParser({ max: 200 })(value, 'description');
}

/** Creates the error for an endpoint that does not exist. */
export function endpointNotFound(id: number): AppError {
  return new AppError('NOT_FOUND', `There is no webhook ${id}; \`group-api webhooks list\` lists them`, {
    id,
  });
}
