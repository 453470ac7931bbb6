import Type, { type Static, type TSchema } from 'typebox';
import {
  maxDescriptionLength,
  maxNameLength,
  maxNumbers,
  maxNumbersWithDuplicates,
  numberGroupIdPattern,
  numberPattern,
} from './number-groups/number-group.ts';
import { done } from './vendor-messages.ts';
import { writtenNumberPattern } from './uploads/phone-number.ts';

// The schemas of requests and responses, used for validation and for the OpenAPI document. A `title` completes the
// error message "… must be" of an invalid value.

const closed = { additionalProperties: false };

const exampleId = '6033876dc92de036d1390923';
const Id = Type.String({
  pattern: numberGroupIdPattern.source,
  title: '24 hexadecimal digits',
  description: 'The unique id of a group, as returned by `search`',
  examples: [exampleId],
});
const Name = Type.String({ maxLength: maxNameLength, description: 'Not blank', examples: ['test_group'] });
const Description = Type.String({
  maxLength: maxDescriptionLength,
  description: 'May contain line breaks and tabs',
  examples: ['those who asked to be called'],
});
const Numbers = Type.Array(
  Type.String({ pattern: numberPattern.source, title: '1 to 32 of the characters + 0-9 * #' }),
  { maxItems: maxNumbers, examples: [['1111', '2222']] },
);
const WrittenNumbers = Type.Array(
  Type.String({ pattern: writtenNumberPattern, title: '1 to 32 of the characters + 0-9 * #' }),
  {
    maxItems: maxNumbersWithDuplicates,
    description: `Phone numbers of 1 to 32 of the characters + 0-9 * #. Formatting is removed: blanks, brackets, dots, dashes, slashes, invisible characters, and an extension or a pause with all that follows; Persian and Arabic digits are converted to ASCII. Duplicates are removed, keeping the first occurrence. At most ${maxNumbers} numbers, or ${maxNumbersWithDuplicates} with duplicates`,
    examples: [['1111', '2222']],
  },
);
const Filename = Type.String({
  maxLength: 64,
  description:
    'Instead of `numbers`: the `filename` returned by `upload`, valid for a day. A file can be used only once',
});

/** The request body of `add`. */
export const AddRequest = Type.Object(
  {
    name: Name,
    numbers: Type.Optional(WrittenNumbers),
    filename: Type.Optional(Filename),
    description: Type.Optional(Description),
  },
  {
    ...closed,
    examples: [{ name: 'test_group', numbers: ['1111', '2222'], description: 'asked to be called' }],
  },
);

/** The request body of `update`. */
export const UpdateRequest = Type.Object(
  {
    _id: Id,
    name: Type.Optional(Name),
    numbers: Type.Optional(WrittenNumbers),
    filename: Type.Optional(Filename),
    description: Type.Optional(Description),
  },
  {
    ...closed,
    description: 'Omitted fields are left unchanged',
    examples: [{ _id: exampleId, numbers: ['3333'] }],
  },
);

/** The request body of `remove`. */
export const RemoveRequest = Type.Object(
  {
    _id: Type.Optional(Id),
    id_: Type.Optional(Type.String({ ...Id, description: 'Another spelling of `_id`' })),
  },
  { ...closed, description: 'One of the two is required', examples: [{ _id: exampleId }] },
);

const Direction = Type.Unsafe<1 | -1>({
  enum: [1, -1],
  title: '1 (ascending) or -1 (descending)',
});
const Sorting = Type.Object(
  {
    name: Type.Optional(Direction),
    date: Type.Optional(Direction),
    count: Type.Optional(Direction),
    description: Type.Optional(Direction),
    _id: Type.Optional(Direction),
  },
  {
    ...closed,
    description: 'The sort keys, most significant first. If omitted, the latest groups come first',
  },
);
const Pagination = {
  start: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 2_147_483_647, default: 0, description: 'Number of groups to skip' }),
  ),
  count: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 20,
      description: 'Maximum number of groups to return',
    }),
  ),
  sorting: Type.Optional(Sorting),
};

/** The request body of `search`. */
export const SearchRequest = Type.Object(
  {
    alike: Type.Optional(
      Type.Unsafe<boolean | 'true' | 'false'>({
        enum: [true, false, 'true', 'false'],
        title: 'true or false',
        default: true,
        description:
          'true: a condition matches values that contain it, ignoring case, diacritics and variants of Persian letters and digits; false: a condition matches equal values only',
      }),
    ),
    conditions: Type.Optional(
      Type.Object(
        {
          name: Type.Optional(Type.String({ maxLength: maxNameLength })),
          description: Type.Optional(Type.String({ maxLength: maxDescriptionLength })),
        },
        { ...closed, description: 'All conditions must match. An empty condition matches every group' },
      ),
    ),
    pagination: Type.Optional(Type.Object(Pagination, closed)),
  },
  {
    ...closed,
    examples: [
      {
        alike: 'true',
        conditions: { name: '', description: '' },
        pagination: { start: 0, count: 20, sorting: { date: -1 } },
      },
    ],
  },
);

/** The request body of `search`. */
export type SearchFields = Static<typeof SearchRequest>;

/** The request body of `upload` for OpenAPI; the route reads it as a stream. */
export const UploadRequest = Type.Object({
  file: Type.Unsafe({
    type: 'string',
    contentMediaType: 'application/octet-stream',
    description:
      'CSV separated by `,`, `;` or tabs, with or without a header, or vCards of version 2.1, 3.0 or 4.0; encoded in UTF-8, or in UTF-16 with a byte order mark; up to 64 MiB',
  }),
});

const date = Type.Object(
  { $date: Type.Object({ $numberLong: Type.String({ description: 'Milliseconds since 1970' }) }) },
  { description: 'Creation time of the group' },
);

/** The response bodies of successful calls. */
export const responses = {
  add: success(done, Type.Object({ _id: Id })),
  update: success(
    done,
    Type.Object({
      name: Name,
      numbers: Numbers,
      description: Description,
      date,
      count: Type.Integer({ description: 'Number of numbers in the group' }),
    }),
  ),
  remove: success(done, Type.Literal('')),
  search: success(
    '',
    Type.Object({
      pagination: Type.Object({
        start: Type.Integer(),
        count: Type.Integer(),
        sorting: Sorting,
        total: Type.Integer({ description: 'Number of matching groups on all pages' }),
      }),
      data: Type.Array(
        Type.Object({
          _id: Id,
          name: Name,
          description: Description,
          count: Type.Integer(),
          date: Type.String({
            description: 'Creation time of the group, in the Jalali calendar',
            examples: ['1399-12-18 16:58:50'],
          }),
        }),
      ),
    }),
  ),
  upload: success('', Type.Object({ filename: Type.String() })),
};

/** The response body of every error. */
export function failure(message: string) {
  return Type.Object({
    success: Type.Literal(0),
    message: Type.String({ examples: [message] }),
    data: Type.Literal(''),
  });
}

function success<Data extends TSchema>(message: string, data: Data) {
  return Type.Object({ success: Type.Literal(1), message: Type.Literal(message), data });
}
