import { OperatorError } from '../errors.ts';
import { sqlStateOf } from './prisma-error.ts';
import { causesOf } from '../postgres/error-causes.ts';

const insufficientPrivilege = '42501';

/** Converts a permission error of PostgreSQL to an OperatorError; returns any other error unchanged. */
export function explainMissingPrivilege(error: unknown): unknown {
  if (error instanceof OperatorError || !isMissingPrivilege(error)) return error;
  const texts = causesOf(error).flatMap(({ originalMessage, message }) => [originalMessage, message]);
  const text = texts.find(
    (candidate) =>
      typeof candidate === 'string' && /^(permission denied|must be owner)[^\n]*$/.test(candidate),
  );
  return new OperatorError(
    `The database user lacks a privilege${text === undefined ? '' : ` (${text as string})`}. ` +
      'Run `group-api doctor`, which lists the missing GRANTs',
  );
}

/** Returns the text for the operator of an error that ended a start: one line, or the stack of an internal error. */
export function describeStartError(error: unknown): string {
  const reason = explainMissingPrivilege(error);
  return reason instanceof OperatorError ? reason.message : ((reason as Error).stack ?? String(reason));
}

function isMissingPrivilege(error: unknown): boolean {
  return (
    sqlStateOf(error) === insufficientPrivilege ||
    causesOf(error).some(({ code }) => code === insufficientPrivilege)
  );
}
