import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse, validate, type GraphQLSchema } from 'graphql';
import { AppError, OperatorError } from '../../errors.ts';
import type { GraphQLRequestBody, RequestFilter } from './operation-body.ts';

/**
 * Reads the allowlist of operations: a JSON object that maps SHA-256 hashes to operation texts, as written by GraphQL
 * Code Generator, or an Apollo manifest. Requests contain the text or its hash: as `documentId` (proposed by GraphQL
 * over HTTP) or as `extensions.persistedQuery` (Apollo clients).
 * @throws OperatorError if the file has neither format, a hash does not match its text, or a text is not valid against
 * the schema
 * @see https://github.com/graphql/graphql-over-http/blob/main/spec/Appendix%20A%20--%20Persisted%20Documents.md
 */
export function readAllowedOperations(file: string, schema: GraphQLSchema): RequestFilter {
  const textByHash = new Map(readTexts(file));
  for (const [hash, text] of textByHash) requireValid(hash, text, schema);

  return ({ query, documentId, extensions, ...request }) => {
    const hash = typeof query === 'string' ? hashOf(query) : hashIn({ documentId, extensions });
    const text = hash === undefined ? undefined : textByHash.get(hash);
    if (text === undefined) {
      throw new AppError(
        'OPERATION_NOT_ALLOWED',
        'The operation is not on the allowlist of this server. Its operator can add it to ALLOWED_OPERATIONS_FILE',
        hash === undefined ? {} : { sha256: hash },
      );
    }
    return { ...request, query: text };
  };
}

function hashIn({ documentId, extensions }: GraphQLRequestBody): string | undefined {
  if (typeof documentId === 'string') return documentId.replace(/^sha256:/, '').toLowerCase();
  const { persistedQuery } = (extensions ?? {}) as { persistedQuery?: { sha256Hash?: unknown } };
  const hash = persistedQuery?.sha256Hash;
  return typeof hash === 'string' ? hash.toLowerCase() : undefined;
}

function readTexts(file: string): [hash: string, text: string][] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new OperatorError(`ALLOWED_OPERATIONS_FILE must be a JSON file: ${(error as Error).message}`);
  }
  const { operations } = (content ?? {}) as { operations?: unknown };
  const entries = Array.isArray(operations)
    ? operations.map((entry) => [(entry as { id?: unknown })?.id, (entry as { body?: unknown })?.body])
    : Object.entries(content ?? {});
  return entries.map(([id, text]) => {
    const hash = String(id).replace(/^sha256:/, '');
    if (typeof text !== 'string' || hashOf(text) !== hash.toLowerCase()) {
      throw new OperatorError(
        `ALLOWED_OPERATIONS_FILE must map SHA-256 hashes to operation texts; ${hash} is not the hash of its text`,
      );
    }
    return [hash.toLowerCase(), text];
  });
}

function requireValid(hash: string, text: string, schema: GraphQLSchema): void {
  let problem: string | undefined;
  try {
    problem = validate(schema, parse(text))[0]?.message;
  } catch (error) {
    problem = (error as Error).message;
  }
  if (problem !== undefined) {
    throw new OperatorError(`ALLOWED_OPERATIONS_FILE contains an invalid operation, ${hash}: ${problem}`);
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
