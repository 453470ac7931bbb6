/**
 * PostgreSQL's code (SQLSTATE) for a statement that writes on a standby, or in a database that is set to read-only.
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export const readOnlyTransaction = '25006';
