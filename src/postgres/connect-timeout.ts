/**
 * How long to wait for a connection in milliseconds, unless the URL has a `connect_timeout`: calls fail within five
 * seconds while the database is unavailable.
 */
export const defaultConnectTimeoutMs = 3000;
