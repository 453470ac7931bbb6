import { OperatorError } from '../errors.ts';
import { causesOf, sqlStateOf } from './prisma-error.ts';

const insufficientPrivilege = '42501';

/** Turns an error for lack of a privilege into a line for the operator; any other passes as it is. */
export function explainMissingPrivilege(error: unknown): unknown {
  if (error instanceof OperatorError || !isMissingPrivilege(error)) return error;
  const texts = causesOf(error).flatMap(({ originalMessage, message }) => [originalMessage, message]);
  const text = texts.find(
    (each) => typeof each === 'string' && /^(permission denied|must be owner)[^\n]*$/.test(each),
  );
  return new OperatorError(
    `The database's user lacks a right${text === undefined ? '' : ` (${text as string})`}. ` +
      'Run `group-api doctor`, which lists the GRANTs that are missing',
  );
}

function isMissingPrivilege(error: unknown): boolean {
  return (
    sqlStateOf(error) === insufficientPrivilege ||
    causesOf(error).some(({ code }) => code === insufficientPrivilege)
  );
}
