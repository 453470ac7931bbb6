// Generates what is derived and not committed: the Prisma client from prisma/schema.prisma, and the resolver
// types from schema.graphql. Runs at `npm ci` and in every check.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import * as resolvers from '@graphql-codegen/typescript-resolvers';
import { parse } from 'graphql';

generatePrismaClient();
await generateResolverTypes();

function generatePrismaClient() {
  const prisma = createRequire(import.meta.url).resolve('prisma/build/index.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [prisma, 'generate', '--no-hints'], {
    encoding: 'utf8',
    env: {
      ...process.env,
      // `generate` downloads an engine that it does not use unless it is told of an executable file.
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
      CHECKPOINT_DISABLE: '1',
    },
  });
  if (status !== 0) {
    console.error(`${stdout}${stderr}\nprisma generate failed: see prisma/schema.prisma`);
    process.exit(1);
  }
}

async function generateResolverTypes() {
  const output = await codegen({
    filename: 'src/generated/graphql.ts',
    schema: parse(readFileSync('schema.graphql', 'utf8')),
    documents: [],
    plugins: [{ typescript: {} }, { resolvers: {} }],
    pluginMap: { typescript, resolvers },
    config: {
      contextType: '../graphql/context.ts#Context',
      defaultScalarType: 'unknown',
      emitLegacyCommonJSImports: false,
      enumsAsTypes: true,
      importExtension: '',
      mappers: {
        AuditEvent: '../audit/audit-repository.ts#AuditEvent',
        AuditEventConnection: '../graphql/connection.ts#AuditEventConnection',
        DeletedGroup: '../groups/deleted-group-repository.ts#DeletedGroup',
        DeletedGroupConnection: '../graphql/connection.ts#DeletedGroupConnection',
        GroupDeletionImpact: '../groups/group-deletion-impact.ts#GroupDeletionImpact',
        Subscriber: '../subscribers/subscriber.ts#Subscriber',
        SubscriberConnection: '../graphql/connection.ts#SubscriberConnection',
        GroupConnection: '../graphql/connection.ts#GroupConnection',
        Group: '../groups/group.ts#Group',
        ServiceGroup: '../service-groups/service-group.ts#ServiceGroup',
      },
      mapperTypeSuffix: 'Model',
      scalars: { DateTime: 'Date', JSON: 'unknown' },
      useTypeImports: true,
    },
  });
  mkdirSync('src/generated', { recursive: true });
  writeFileSync('src/generated/graphql.ts', output);
}
