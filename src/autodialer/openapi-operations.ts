import type { FastifySchema } from 'fastify';
import Type, { type TSchema } from 'typebox';
import {
  AddRequest,
  responses,
  failure,
  RemoveRequest,
  SearchRequest,
  UpdateRequest,
  UploadRequest,
} from './schemas.ts';
import type { ServiceName } from './audited-handler.ts';

/** The meaning of each status, with an example message. */
const errorResponses: Readonly<Record<number, readonly [meaning: string, message: string]>> = {
  400: ['The body cannot be parsed', 'Unable to parse content'],
  401: ['The credentials are missing or invalid', 'BasicAuth or ApiKey is invalid'],
  403: ['The account lacks the scope, or is not allowed from this network', 'IP is not permitted'],
  405: ['The service does not support the method', 'Method not allowed'],
  406: [
    'The `Accept` header excludes JSON; nothing was executed',
    'Send "Accept: application/json". Nothing was executed',
  ],
  408: ['The body was not received in time', 'The request was not received in time'],
  413: ['The body is too large', 'The body is larger than 64 MiB'],
  415: ['The media type of the body is not supported', 'Unsupported Media Type'],
  429: ['`Retry-After` says when to try again', 'Too many requests from your account'],
  500: [
    'An internal error; see the log entry with the `X-Request-Id` of the response',
    'Internal server error',
  ],
  503: [
    'The database is unavailable or the server is overloaded. `Retry-After` says when to try again',
    'Try again later',
  ],
};

const IdempotencyHeader = Type.Object({
  'Idempotency-Key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description:
        'For 24 hours, a repeated call with this key returns the response of the first one, with `Idempotency-Replayed: true`',
    }),
  ),
});

/** The OpenAPI document of each service. */
export const operationDocuments: Readonly<Record<ServiceName, FastifySchema>> = {
  add: describe('add', {
    summary: 'Add a group',
    description:
      'With its numbers, or with those of an uploaded file. With the header `Idempotency-Key`, a repeated call does not add a second group.',
    body: AddRequest,
  }),
  update: describe('update', {
    summary: 'Change a group',
    description: 'Replaces the given fields. Older clients send `PUT`.',
    body: UpdateRequest,
  }),
  remove: describe('remove', {
    summary: 'Remove a group',
    description:
      'Moves the group and its numbers to the archive, from which the command line can restore them. Older clients send `DELETE`.',
    body: RemoveRequest,
  }),
  search: describe('search', {
    summary: 'Search for groups',
    description:
      'Returns one page of the groups that match the conditions. Older clients send `GET` with the body.',
    body: SearchRequest,
  }),
  upload: describe('upload', {
    summary: 'Upload a file of numbers',
    description:
      'Returns the `filename` for `add` and `update`. A file that no group uses is removed after a day.',
    body: UploadRequest,
    consumes: ['multipart/form-data'],
  }),
};

type Description = { summary: string; description: string; body: TSchema; consumes?: string[] };

function describe(name: ServiceName, { description, ...document }: Description): FastifySchema {
  const errors = Object.entries(errorResponses).map(([status, [meaning, message]]) => [
    status,
    { description: meaning, ...failure(message) },
  ]);
  const acceptsKey = name !== 'search' && name !== 'upload';
  const operationFailed = failure("Field '_id':value is missing");
  return {
    operationId: name,
    tags: ['groups'],
    description: `${description} Scope: \`autodialer/groups/${name}\`.`,
    ...document,
    ...(acceptsKey && { headers: IdempotencyHeader }),
    response: {
      200: {
        description: 'Success, or an error of the operation',
        ...Type.Union([responses[name], operationFailed]),
      },
      ...Object.fromEntries(errors),
    },
  };
}
