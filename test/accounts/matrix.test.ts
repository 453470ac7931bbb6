import { isRepresentative, issuer, operations, services, testAccess } from '../support/access-matrix.ts';
import { useTestApp } from '../support/test-app.ts';

// Every operation that scopes.test.ts leaves out, for every kind of caller.
const app = useTestApp({ ...issuer.settings, FAILED_SIGN_INS_PER_MINUTE: 1_000_000 });

testAccess(
  () => app,
  operations.filter(({ name }) => !isRepresentative(name)),
  services.filter(({ service }) => !isRepresentative(service)),
);
