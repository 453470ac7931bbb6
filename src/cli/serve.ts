import { Command } from 'commander';

/** `group-api serve`: runs the server. */
export function createServeCommand(): Command {
  return new Command('serve')
    .description('Run the server until Ctrl-C or another stop signal, as `npm start` does')
    .addHelpText(
      'after',
      `
Examples:
  group-api serve
  PORT=8080 DATABASE_URL=postgresql://group_api@db/groups group-api serve`,
    )
    .action(async () => {
      const { serve } = await import('../serve.ts');
      await serve();
    });
}
