import { createGroupClient, readApiError } from './clients/graphql-request.ts';
import { testGroupClient } from './support/client-cases.ts';

testGroupClient({ createGroupClient, readApiError });
