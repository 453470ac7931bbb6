/** The account that a key belongs to, as `GET /whoami` says. */
export type Account = {
  readonly account: string;
  readonly credential: string;
  readonly scopes: readonly string[];
};

/** What a GraphQL server answers. */
export type GraphQLAnswer = {
  readonly data?: unknown;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly unknown[];
    readonly extensions?: { readonly code?: string };
  }[];
};

/** An operation, and the headers that the person adds. */
export type OperationRequest = {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
};

/** The key is not, or no longer, one that the server takes. */
export class WrongKeyError extends Error {
  constructor() {
    super(
      'The server does not know this key. On the command line "npx group-api accounts rotate <account>" makes another; ' +
        'that of admin is ADMIN_API_KEY where it is set.',
    );
  }
}

/** Asks the server whose key it is. @throws WrongKeyError, or an Error that says what to do. */
export async function fetchAccount(key: string): Promise<Account> {
  const { status, body } = await send('whoami', { headers: withKey({}, key) });
  if (isObject(body) && Array.isArray(body['scopes'])) return body as Account;
  throw new Error(readMessage(body) ?? notOurs(status));
}

/** Sends an operation. @throws WrongKeyError, or an Error that says what to do. */
export async function sendOperation(
  key: string,
  { headers: added = {}, ...request }: OperationRequest,
): Promise<GraphQLAnswer> {
  const headers = withKey(added, key);
  headers.set('Content-Type', 'application/json');
  headers.set('Accept', 'application/graphql-response+json');
  const { status, body } = await send('graphql', { method: 'POST', headers, body: JSON.stringify(request) });
  if (isObject(body) && ('data' in body || Array.isArray(body['errors']))) return body;
  throw new Error(notOurs(status));
}

/** Headers with the key, in place of other credentials. @throws Error where a value cannot be sent. */
function withKey(added: Readonly<Record<string, string>>, key: string): Headers {
  try {
    const headers = new Headers(added);
    headers.delete('Authorization');
    headers.set('X-APIKEY', key);
    return headers;
  } catch {
    throw new Error('Not sent: the key or a header holds a character that no header can have.');
  }
}

/** @throws WrongKeyError, or an Error that says what to do. */
async function send(path: string, init: RequestInit): Promise<{ status: number; body: unknown }> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, init);
    text = await response.text();
  } catch {
    throw new Error(
      'The server does not answer. See whether it still runs (npm start), then send this again.',
    );
  }
  const body = parseJson(text);
  // Others that stand in between refuse with this status too.
  if (response.status === 401 && readMessage(body) !== undefined) throw new WrongKeyError();
  return { status: response.status, body };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function notOurs(status: number): string {
  return `What answers here, with the status ${status}, is not group-api: is a proxy in between, and the server behind it away?`;
}

function readMessage(body: unknown): string | undefined {
  return isObject(body) ? (body as GraphQLAnswer).errors?.[0]?.message : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
