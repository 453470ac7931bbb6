// Our own server with a resolver that answers a constant: what our HTTP, accounts, limits, log and Apollo cost without
// the deletion.
import { resolvers } from '../../dist/graphql/resolvers.js';
import { constantGroup } from './constant.js';

const group = { ...constantGroup, createdAt: new Date(), updatedAt: new Date(), serviceGroupId: null };
resolvers.Mutation.deleteGroup = async () => group;
await import('../../dist/main.js');
