import { createGroupClient, readApiError } from './graphql-request.ts';
import { testGroupClient } from '../support/client-cases.ts';

testGroupClient({ createGroupClient, readApiError });
