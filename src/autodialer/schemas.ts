import Type, { type Static, type TSchema } from 'typebox';
import {
  maxDescriptionLength,
  maxNameLength,
  maxNumbers,
  maxNumbersWithDuplicates,
  numberGroupIdPattern,
  numberPattern,
} from './number-groups/number-group.ts';
import { writtenNumberPattern } from './uploads/phone-number.ts';

// What requests and answers are like: they are checked against this, and the OpenAPI document is made of it. A `title` says
// what a value must be where it is refused.

const closed = { additionalProperties: false };

const exampleId = '6033876dc92de036d1390923';
const Id = Type.String({
  pattern: numberGroupIdPattern.source,
  title: '24 hexadecimal digits',
  description: 'The unique id of a group, which `search` finds',
  examples: [exampleId],
});
const Name = Type.String({ maxLength: maxNameLength, description: 'Not blank', examples: ['test_group'] });
const Description = Type.String({
  maxLength: maxDescriptionLength,
  description: 'May hold line breaks and tabs',
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
    description: `Phone numbers of 1 to 32 of the characters + 0-9 * #. What is written around them is removed: blanks, brackets, dots, dashes, slashes, invisible characters, and an extension or a pause with what follows it; Persian and Arabic digits become ASCII ones. One that comes again is kept where it was first. ${maxNumbers} at most, or ${maxNumbersWithDuplicates} with those that come again`,
    examples: [['1111', '2222']],
  },
);
const Filename = Type.String({
  maxLength: 64,
  description: 'Instead of `numbers`: what `upload` answered, within a day. A file is used once',
});

/** What `add` is sent. */
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

/** What `update` is sent. */
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
    description: 'What is left out stays as it is',
    examples: [{ _id: exampleId, numbers: ['3333'] }],
  },
);

/** What `remove` is sent. */
export const RemoveRequest = Type.Object(
  {
    _id: Type.Optional(Id),
    id_: Type.Optional(Type.String({ ...Id, description: 'Another spelling of `_id`' })),
  },
  { ...closed, description: 'One of the two is needed', examples: [{ _id: exampleId }] },
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
  { ...closed, description: 'By what to sort, the most important first. None: the latest first' },
);
const Pagination = {
  start: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 2_147_483_647, default: 0, description: 'How many groups to skip' }),
  ),
  count: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 20,
      description: 'How many groups to answer at most',
    }),
  ),
  sorting: Type.Optional(Sorting),
};

/** What `search` is sent. */
export const SearchRequest = Type.Object(
  {
    alike: Type.Optional(
      Type.Unsafe<boolean | 'true' | 'false'>({
        enum: [true, false, 'true', 'false'],
        title: 'true or false',
        default: true,
        description:
          'true: a condition holds for what contains it, where what looks alike is equal (case, diacritics, forms of Persian letters, digits); false: for what is equal to it',
      }),
    ),
    conditions: Type.Optional(
      Type.Object(
        {
          name: Type.Optional(Type.String({ maxLength: maxNameLength })),
          description: Type.Optional(Type.String({ maxLength: maxDescriptionLength })),
        },
        { ...closed, description: 'All of them have to hold. An empty one holds for every group' },
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

/** What `search` is sent. */
export type SearchFields = Static<typeof SearchRequest>;

/** As an upload looks to OpenAPI; it is read as a stream. */
export const UploadRequest = Type.Object({
  file: Type.Unsafe({
    type: 'string',
    contentMediaType: 'application/octet-stream',
    description:
      'CSV with `,`, `;` or tabs, with or without a header, or vCards of version 2.1, 3.0 or 4.0, in UTF-8, or in UTF-16 with a byte order mark, up to 64 MiB',
  }),
});

const date = Type.Object(
  { $date: Type.Object({ $numberLong: Type.String({ description: 'Milliseconds since 1970' }) }) },
  { description: 'When the group was added' },
);

/** The vendor's words for a change that was made. */
export const done = 'Requested operation is done successfully';

/** What a service answers when it has done what was asked. */
export const answers = {
  add: success(done, Type.Object({ _id: Id })),
  update: success(
    done,
    Type.Object({
      name: Name,
      numbers: Numbers,
      description: Description,
      date,
      count: Type.Integer({ description: 'How many numbers the group has' }),
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
        total: Type.Integer({ description: 'How many groups the search finds on all pages' }),
      }),
      data: Type.Array(
        Type.Object({
          _id: Id,
          name: Name,
          description: Description,
          count: Type.Integer(),
          date: Type.String({
            description: 'When the group was added, in the Jalali calendar',
            examples: ['1399-12-18 16:58:50'],
          }),
        }),
      ),
    }),
  ),
  upload: success('', Type.Object({ filename: Type.String() })),
};

/** What every refusal looks like. */
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
