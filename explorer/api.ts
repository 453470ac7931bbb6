/** The account that a key belongs to, as returned by `GET /whoami`. */
export type Account = {
  readonly account: string;
  readonly credential: string;
  readonly scopes: readonly string[];
};

/** The response of a GraphQL server. */
export type GraphQLResponse = {
  readonly data?: unknown;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly unknown[];
    readonly extensions?: { readonly code?: string };
  }[];
};

/** An operation, and the headers that the user adds. */
export type OperationRequest = {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
};

/** The server does not accept the key, or no longer accepts it. */
export class WrongKeyError extends Error {
  constructor() {
    super(
      'Invalid API key. Create a new one with "npx --no-install group-api accounts rotate <account>"; ' +
        'the key of admin is ADMIN_API_KEY, if that is set.',
    );
  }
}

/** The request was not sent: the server has executed nothing. */
export class NotSentError extends Error {
  constructor(reason: string) {
    super(`Not sent: ${reason}`);
  }
}

/** Fetches the account that a key belongs to. @throws WrongKeyError, NotSentError, or an Error that says what to do. */
export async function fetchAccount(key: string): Promise<Account> {
  const { status, body } = await readBody(await send('whoami', { headers: withKey({}, key) }));
  if (isObject(body) && Array.isArray(body['scopes'])) return body as Account;
  throw new Error(readMessage(body) ?? describeUnexpectedResponse(status));
}

/** Sends an operation. @throws WrongKeyError, NotSentError, or an Error that says what to do. */
export async function sendOperation(
  key: string,
  { headers: added = {}, ...request }: OperationRequest,
): Promise<GraphQLResponse> {
  const headers = withKey(added, key);
  headers.set('Content-Type', 'application/json');
  headers.set('Accept', 'application/graphql-response+json');
  return readResult(await send('graphql', { method: 'POST', headers, body: JSON.stringify(request) }));
}

/** Reads the result of an operation. @throws WrongKeyError, or an Error that says what to do. */
export async function readResult(response: Response): Promise<GraphQLResponse> {
  const { status, body } = await readBody(response);
  if (isObject(body) && ('data' in body || Array.isArray(body['errors']))) return body;
  throw new Error(describeUnexpectedResponse(status));
}

/**
 * Fetches data for the page with a query. Its text is constant, so that it can be on a list of allowed operations.
 * @throws WrongKeyError, NotSentError, or an Error with the reason, such as a missing scope
 */
export async function fetchData<Data>(key: string, query: string, variables?: object): Promise<Data> {
  const { data, errors } = await sendOperation(key, { query, variables });
  if (errors?.[0] || !data) throw new Error(errors?.[0]?.message ?? 'unknown');
  return data as Data;
}

/** Headers with the key instead of other credentials. @throws NotSentError if a value is not valid in a header. */
export function withKey(added: Readonly<Record<string, string>>, key: string): Headers {
  try {
    const headers = new Headers(added);
    headers.delete('Authorization');
    headers.set('X-APIKEY', key);
    return headers;
  } catch {
    throw new NotSentError('the key or a header contains a character that is not allowed in HTTP headers.');
  }
}

/** Sends a request. @throws Error that says what to do, if there is no response. */
export async function send(path: string, init: RequestInit): Promise<Response> {
  return fetch(path, init).catch(throwNoResponse);
}

/** @throws WrongKeyError, or an Error that says what to do. */
async function readBody(response: Response): Promise<{ status: number; body: unknown }> {
  const body = parseJson(await response.text().catch(throwNoResponse));
  // A proxy may respond with this status too.
  if (response.status === 401 && readMessage(body) !== undefined) throw new WrongKeyError();
  return { status: response.status, body };
}

function throwNoResponse(): never {
  throw new Error('The server does not respond. Check that it is running (npm start), then try again.');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function describeUnexpectedResponse(status: number): string {
  return `Unexpected response (${status}) that did not come from group-api. Is there a proxy whose server has stopped?`;
}

function readMessage(body: unknown): string | undefined {
  return isObject(body) ? (body as GraphQLResponse).errors?.[0]?.message : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
