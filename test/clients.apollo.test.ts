import { createGroupClient, readRefusal } from './clients/apollo.ts';
import { testGroupClient } from './support/client-cases.ts';

testGroupClient({ createGroupClient, readRefusal });
