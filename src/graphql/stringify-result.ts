import { setImmediate as nextTurn } from 'node:timers/promises';
import type { FormattedExecutionResult } from 'graphql';

/** A list from this length on is written object by object. */
export const longList = 100;
/** The number of levels below `data` that may have long lists: a root field, and the nodes of a page. */
const maxLevels = 2;
/** The maximum time of a turn of the event loop. */
const maxTurnMs = 5;

/**
 * Converts a result to JSON, as JSON.stringify does, with a line feed at the end. A result with long lists is written
 * over several turns of the event loop, between which other requests are served.
 */
export function stringifyResult(result: FormattedExecutionResult): string | Promise<string> {
  return hasLongList(result.data) ? writeInTurns(result) : `${JSON.stringify(result)}\n`;
}

/** Looks for a long list in the root fields and in their fields only, since this is done for each request. */
function hasLongList(data: FormattedExecutionResult['data']): boolean {
  for (const name in data) {
    const value: unknown = data[name];
    if (isLongList(value)) return true;
    // Whatever the names: those of the response are aliases, if there are any.
    if (isResultObject(value)) for (const field in value) if (isLongList(value[field])) return true;
  }
  return false;
}

function isLongList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length >= longList;
}

/** Returns whether a value is an object that graphql-js created, without a prototype, and not the value of a scalar. */
function isResultObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null;
}

async function writeInTurns(result: FormattedExecutionResult): Promise<string> {
  // Joined in each turn: the concatenation of all of them would be flattened at once, by the first access to the text.
  const parts: string[] = [];
  let pieces: string[] = [];
  let turnStartedAt = performance.now();

  const endTurn = async () => {
    parts.push(pieces.join(''));
    pieces = [];
    await nextTurn();
    turnStartedAt = performance.now();
  };
  const writeList = async (list: readonly unknown[]) => {
    for (const [index, item] of list.entries()) {
      pieces.push(index === 0 ? '[' : ',', JSON.stringify(item));
      if (performance.now() - turnStartedAt > maxTurnMs) await endTurn();
    }
    pieces.push(']');
  };
  const writeFields = async (value: object, levels: number) => {
    // As JSON.stringify does.
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    pieces.push('{');
    for (const [index, [name, field]] of fields.entries()) {
      pieces.push(`${index === 0 ? '' : ','}${JSON.stringify(name)}:`);
      await writeValue(field, levels - 1);
    }
    pieces.push('}');
  };
  const writeValue = async (value: unknown, levels: number) => {
    if (isLongList(value)) await writeList(value);
    else if (levels >= 0 && isResultObject(value)) await writeFields(value, levels);
    else pieces.push(JSON.stringify(value));
  };

  await writeFields(result, maxLevels + 1);
  pieces.push('\n');
  await endTurn();
  return parts.join('');
}
