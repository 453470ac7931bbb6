import type { ServerInfo } from '../postgres/require-server.ts';
import { passed, warned, type CheckResult } from './check-result.ts';

const name = 'pooler';

/** Checks that the settings suit a pooler in front of PostgreSQL; without one there is nothing to check. */
export function checkPooler(
  { isPooled, keepsNamedStatements }: ServerInfo,
  { hasPreparedStatements }: { hasPreparedStatements: boolean },
): CheckResult[] {
  if (!isPooled) return [];
  const summary =
    'A pooler is between group-api and PostgreSQL. The session settings are set in each transaction';
  if (keepsNamedStatements) {
    return hasPreparedStatements
      ? [passed(name, `${summary}, and statements are prepared by name`)]
      : [
          passed(
            name,
            `${summary}. The pooler keeps prepared statements: DATABASE_PREPARED_STATEMENTS=true saves planning them`,
          ),
        ];
  }
  if (!hasPreparedStatements) return [passed(name, `${summary}, and no statement is prepared by name`)];
  return [
    warned(
      name,
      `${summary}. The pooler does not keep prepared statements, so none is prepared by name. Set ` +
        'DATABASE_PREPARED_STATEMENTS=false, or upgrade to PgBouncer 1.21 or newer with max_prepared_statements above 0',
    ),
  ];
}
