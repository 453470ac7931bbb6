// Generates derived code, which is not committed: the Prisma client from prisma/schema.prisma, and from schema.graphql
// the types of the resolvers and of the typed client example. Runs at `npm ci` and in every check.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { preset } from '@graphql-codegen/client-preset';
import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import * as resolvers from '@graphql-codegen/typescript-resolvers';
import { buildASTSchema, parse } from 'graphql';

generatePrismaClient();
await generateResolverTypes();
// Not needed if only the server is built, as in a container.
if (existsSync('test/clients')) await generateClientTypes('test/clients');

function generatePrismaClient() {
  const prisma = createRequire(import.meta.url).resolve('prisma/build/index.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [prisma, 'generate', '--no-hints'], {
    encoding: 'utf8',
    env: {
      ...process.env,
      // Without this path, `generate` downloads an engine that it does not use.
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
    schema: readSchema(),
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
        AuditEvent: '../mutations/audit-events.ts#AuditEvent',
        AuditEventConnection: '../graphql/connection.ts#AuditEventConnection',
        DeletedGroup: '../groups/archive.ts#DeletedGroup',
        DeletedGroupConnection: '../graphql/connection.ts#DeletedGroupConnection',
        GroupDeletionImpact: '../group-deletion/deletion-impact.ts#GroupDeletionImpact',
        Subscriber: '../subscribers/subscriber.ts#SubscriberResult',
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

/** Runs GraphQL Code Generator with the configuration in the folder, as its command line would. */
async function generateClientTypes(folder) {
  const { default: configuration } = await import(`../${folder}/codegen.js`);
  const operations = join(folder, dirname(configuration.documents));
  const documents = readdirSync(operations).map((name) => {
    const location = join(operations, name);
    const rawSDL = readFileSync(location, 'utf8').trimEnd();
    return { location, rawSDL, document: parse(rawSDL) };
  });
  const schema = readSchema();
  for (const [outDir, { config, presetConfig }] of Object.entries(configuration.generates)) {
    const files = await preset.buildGeneratesSection({
      baseOutputDir: `${join(folder, outDir)}/`,
      schema,
      schemaAst: buildASTSchema(schema),
      documents,
      config,
      presetConfig,
      plugins: [],
      pluginMap: {},
      documentTransforms: [],
    });
    for (const file of files) {
      mkdirSync(dirname(file.filename), { recursive: true });
      writeFileSync(file.filename, await codegen(file));
    }
  }
}

function readSchema() {
  return parse(readFileSync('schema.graphql', 'utf8'));
}
