// Every module may log; only the program creates a logger: process/logger.ts.
export type { Logger } from 'pino';
