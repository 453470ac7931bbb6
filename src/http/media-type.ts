/** The media types of GraphQL responses, the default first. */
const graphQLMediaTypes = ['application/json', 'application/graphql-response+json'] as const;

export type GraphQLMediaType = (typeof graphQLMediaTypes)[number];

/** The media type of a response: `application/json` if the client accepts none, for the error. */
export type MediaTypeChoice = { readonly mediaType: GraphQLMediaType; readonly isAcceptable: boolean };

type MediaRange = {
  readonly type: string;
  readonly parameters: readonly (readonly [name: string, value: string])[];
  readonly weight: number;
};

/**
 * Chooses the media type of a GraphQL response by the request's `Accept`, as Apollo Server does: by weight, then by how
 * exactly the client names the type, then by the client's order. A missing or empty header accepts everything.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
 */
export function chooseMediaType(accept: string | undefined): MediaTypeChoice {
  const ranges = parseAccept(accept);
  const [best] = graphQLMediaTypes
    .map((type) => ({ type, ...matchOf(type, ranges) }))
    .filter(({ weight }) => weight > 0)
    .toSorted(
      (one, other) =>
        other.weight - one.weight || other.exactness - one.exactness || one.position - other.position,
    );
  return { mediaType: best?.type ?? 'application/json', isAcceptable: best !== undefined };
}

/** Returns whether a request's `Accept` allows a media type in UTF-8. A missing or empty header accepts everything. */
export function acceptsMediaType(accept: string | undefined, type: string): boolean {
  return matchOf(type, parseAccept(accept)).weight > 0;
}

function parseAccept(accept: string | undefined): MediaRange[] {
  return splitOutsideQuotes(accept || '*/*', ',').map(parseMediaRange);
}

/** Returns the most exact range that matches a type. */
function matchOf(type: string, ranges: readonly MediaRange[]) {
  let match = { weight: 0, exactness: -1, position: 0 };
  ranges.forEach((range, position) => {
    const exactness = exactnessOf(range, type);
    const { weight } = range;
    if (exactness < 0) return;
    if (exactness > match.exactness || (exactness === match.exactness && weight > match.weight))
      match = { weight, exactness, position };
  });
  return match;
}

/**
 * Returns how exactly a range matches a type; below 0 if it does not. The only parameter of our types is their charset.
 */
function exactnessOf({ type, parameters }: MediaRange, offered: string): number {
  const isCharset = ([name, value]: readonly [string, string]) =>
    name === 'charset' && (value === 'utf-8' || value === '*');
  if (!parameters.every(isCharset)) return -1;
  const bonus = parameters.length > 0 ? 1 : 0;
  if (type === offered) return 6 + bonus;
  if (type === offered.replace(/[^/]*$/, '*')) return 4 + bonus;
  return type === '*/*' ? bonus : -1;
}

function parseMediaRange(text: string): MediaRange {
  const [type = '', ...rest] = splitOutsideQuotes(text, ';').map((part) => part.trim().toLowerCase());
  const parameters = rest
    .filter((part) => part !== '')
    .map((part): [string, string] => {
      const [name = '', ...value] = part.split('=');
      return [
        name.trim(),
        value
          .join('=')
          .trim()
          .replace(/^"(.*)"$/, '$1'),
      ];
    });
  const weight = parameters.find(([name]) => name === 'q')?.[1];
  return {
    type,
    parameters: parameters.filter(([name]) => name !== 'q'),
    // NaN is not above 0, so an invalid weight excludes the type.
    weight: weight === undefined ? 1 : Number.parseFloat(weight),
  };
}

/** Splits in one pass: a regular expression would take quadratic time for some texts with quotes (ReDoS). */
function splitOutsideQuotes(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '"') isQuoted = !isQuoted;
    else if (isQuoted && character === '\\') index++;
    else if (!isQuoted && character === separator) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}
