// Prisma as its documents show it with a driver adapter.
import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '../../dist/generated/prisma/client.js';
import { connection } from './schema.js';

export const prisma = new PrismaClient({ adapter: new PrismaPg(connection) });
export const toGroup = (row) => ({ ...row, price: row.price.toString() });
