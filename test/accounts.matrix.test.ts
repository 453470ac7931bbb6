import { afterAll, beforeAll } from '@jest/globals';
import { isRepresentative, issuer, operations, services, testAccess } from './support/access-matrix.ts';
import { openTestApp, type TestApp } from './support/test-app.ts';

// Every operation that accounts.scopes.test.ts leaves out, for every kind of caller.
let app: TestApp;
beforeAll(async () => {
  app = await openTestApp({ ...issuer.settings, FAILED_SIGN_INS_PER_MINUTE: 1_000_000 });
});
afterAll(() => app.close());

testAccess(
  () => app,
  operations.filter(({ name }) => !isRepresentative(name)),
  services.filter(({ service }) => !isRepresentative(service)),
);
