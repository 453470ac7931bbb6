import { createGroupClient, readRefusal } from './clients/urql.ts';
import { testGroupClient } from './support/client-cases.ts';

testGroupClient({ createGroupClient, readRefusal });
