/** The account that a key belongs to, as `GET /whoami` says. */
export type Account = {
  readonly account: string;
  readonly credential: string;
  readonly scopes: readonly string[];
};

/** What a GraphQL server answers. */
export type GraphQLAnswer = {
  readonly data?: unknown;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
};

/** The key is not, or no longer, one that the server takes. */
export class WrongKeyError extends Error {}

/** Asks the server whose key it is. @throws WrongKeyError, or an Error that says what to do. */
export async function fetchAccount(key: string): Promise<Account> {
  const { status, body } = await send('whoami', key, { method: 'GET' });
  if (status === 401) throw new WrongKeyError(wrongKey);
  if (status !== 200) throw new Error(readMessage(body) ?? `The server answered with the status ${status}.`);
  return body as Account;
}

/** Sends an operation. @throws WrongKeyError, or an Error that says what to do. */
export async function sendOperation(
  key: string,
  request: { query: string; operationName?: string | null | undefined; variables?: unknown },
  headers: Readonly<Record<string, string>> = {},
): Promise<GraphQLAnswer> {
  const { status, body } = await send('graphql', key, {
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'application/json', Accept: 'application/graphql-response+json' },
    body: JSON.stringify(request),
  });
  if (status === 401) throw new WrongKeyError(wrongKey);
  return body as GraphQLAnswer;
}

const wrongKey =
  'The server does not know this key. A lost one is replaced on the command line: npx group-api accounts rotate admin';

const unreachable =
  'The server does not answer. See whether it still runs (npm start), then send this again. ' +
  'Nobody knows whether a mutation that was under way has been carried out: the audit tells (tab AuditEvents).';

type Init = {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

async function send(path: string, key: string, init: Init): Promise<{ status: number; body: unknown }> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, { ...init, headers: { ...init.headers, 'X-APIKEY': key } });
    text = await response.text();
  } catch {
    throw new Error(unreachable);
  }
  try {
    return { status: response.status, body: JSON.parse(text) };
  } catch {
    throw new Error(
      `What answers here with the status ${response.status} is not group-api: is a proxy in between, and the server behind it away?`,
    );
  }
}

function readMessage(body: unknown): string | undefined {
  return (body as GraphQLAnswer).errors?.[0]?.message;
}
