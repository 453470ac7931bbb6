// For Prisma's own command line (`npx prisma migrate deploy`, `npx prisma studio`). The server itself applies
// the same migrations at its start and needs nothing of this.
import { defineConfig } from 'prisma/config';

const url = process.env['DATABASE_URL'];

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  ...(url ? { datasource: { url } } : {}),
});
