import type { FastifySchema } from 'fastify';
import Type, { type TSchema } from 'typebox';
import {
  AddRequest,
  answers,
  failure,
  RemoveRequest,
  SearchRequest,
  UpdateRequest,
  UploadRequest,
} from './schemas.ts';
import type { ServiceName } from './audited-handler.ts';

/** By status: when it is answered, and a message that goes with it. */
const refusals: Readonly<Record<number, readonly [meaning: string, message: string]>> = {
  400: ['The body cannot be read', 'Unable to parse content'],
  401: ['The credentials are missing or wrong', 'BasicAuth or ApiKey is invalid'],
  403: ['The account lacks the scope, or may not be used from its network', 'IP is not permitted'],
  405: ['Another method is needed', 'Method not allowed'],
  408: ['The body did not come in time', 'The request did not come in time'],
  413: ['The body is too large', 'The body is larger than 64 MiB'],
  415: ['The body is of another media type', 'Unsupported Media Type'],
  429: ['`Retry-After` says when to try again', 'Too many requests from your account'],
  500: ["A fault of ours; the log has it under the answer's `X-Request-Id`", 'Internal server error'],
  503: [
    'The database is away, or there is too much to do. `Retry-After` says when to try again',
    'Try again later',
  ],
};

const IdempotencyHeader = Type.Object({
  'Idempotency-Key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description:
        'A repeated call with this key gets the answer of the first one, for 24 hours, with `Idempotency-Replayed: true`',
    }),
  ),
});

/** What the OpenAPI document says of each service. */
export const serviceDocuments: Readonly<Record<ServiceName, FastifySchema>> = {
  add: describe('add', {
    summary: 'Add a group',
    description:
      'With its numbers, or with those of an uploaded file. With a header `Idempotency-Key` a repeated call adds no second group.',
    body: AddRequest,
  }),
  update: describe('update', {
    summary: 'Change a group',
    description: 'What is given takes the place of what was there. Older clients send `PUT`.',
    body: UpdateRequest,
  }),
  remove: describe('remove', {
    summary: 'Remove a group',
    description:
      'The group and its numbers go to the archive, from which the command line restores them. Older clients send `DELETE`.',
    body: RemoveRequest,
  }),
  search: describe('search', {
    summary: 'Search for groups',
    description: 'One page of those that fulfil the conditions. Older clients send `GET` with the body.',
    body: SearchRequest,
  }),
  upload: describe('upload', {
    summary: 'Upload a file of numbers',
    description:
      'What is answered is the `filename` for `add` and `update`. A file that no group has taken is removed after a day.',
    body: UploadRequest,
    consumes: ['multipart/form-data'],
  }),
};

type Description = { summary: string; description: string; body: TSchema; consumes?: string[] };

function describe(name: ServiceName, { description, ...document }: Description): FastifySchema {
  const refused = Object.entries(refusals).map(([status, [meaning, message]]) => [
    status,
    { description: meaning, ...failure(message) },
  ]);
  const takesKey = name !== 'search' && name !== 'upload';
  const operationFailed = failure("Field '_id':value is missing");
  return {
    operationId: name,
    tags: ['groups'],
    description: `${description} Scope: \`autodialer/groups/${name}\`.`,
    ...document,
    ...(takesKey && { headers: IdempotencyHeader }),
    response: {
      200: { description: 'It is done, or refused', ...Type.Union([answers[name], operationFailed]) },
      ...Object.fromEntries(refused),
    },
  };
}
