// Our own server with a resolver that answers a constant: what our HTTP, accounts, limits, log and Apollo cost without
// the deletion.
import { resolvers } from '../../dist/graphql/resolvers.js';
import { mutationResolver } from '../../dist/graphql/root-fields.js';
import { constantGroup } from './constant.js';

const group = { ...constantGroup, createdAt: new Date(), updatedAt: new Date(), serviceGroupId: null };
resolvers.Mutation.deleteGroup = mutationResolver(async () => group);
await import('../../dist/main.js');
