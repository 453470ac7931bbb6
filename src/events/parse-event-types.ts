import { badInput } from '../errors.ts';
import { quoteValue } from '../validation/quote-value.ts';
import { eventTypeNames, type EventType } from './event-types.ts';

/**
 * Parses the names of types, such as `group.deleted`, each of which is returned once.
 * @throws AppError BAD_USER_INPUT, for this argument
 */
export function parseEventTypes(names: readonly string[], argument: string): EventType[] {
  const isType = (name: string): name is EventType => (eventTypeNames as readonly string[]).includes(name);
  const unknown = names.find((name) => !isType(name));
  if (unknown !== undefined) {
    const list = eventTypeNames.join(', ');
    throw badInput(argument, `There is no event type ${quoteValue(unknown)}; the types are ${list}`);
  }
  return [...new Set(names.filter(isType))];
}
