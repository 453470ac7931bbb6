import { useState, type FormEvent } from 'react';
import type { Account } from './api.ts';
import type { Session } from './session.ts';

/** The page header: the signed-in account and its scopes, or the sign-in form. */
export function AccountBar({ session }: { session: Session }) {
  const { signedIn, problem } = session;
  return (
    <header className="account-bar">
      <h1>group-api</h1>
      <a href={sandboxUrl()}>Apollo Sandbox</a>
      {signedIn ? (
        <SignedIn account={signedIn.account} onSignOut={() => session.signOut()} />
      ) : (
        <SignInForm session={session} />
      )}
      {problem !== undefined && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </header>
  );
}

/** Apollo Sandbox, which Apollo hosts, for this server: also behind a proxy, below a path. */
function sandboxUrl(): string {
  const endpoint = new URL('graphql', location.href).href;
  return `https://studio.apollographql.com/sandbox/explorer?endpoint=${encodeURIComponent(endpoint)}`;
}

function SignedIn({ account, onSignOut }: { account: Account; onSignOut: () => void }) {
  const scopes = account.scopes.includes('*') ? 'all scopes' : account.scopes.join(', ') || 'no scopes';
  return (
    <>
      <p className="signed-in" role="status">
        signed in as <strong>{account.account}</strong>: {scopes}
      </p>
      <button type="button" onClick={onSignOut}>
        Sign out
      </button>
    </>
  );
}

function SignInForm({ session: { isBusy, signIn } }: { session: Session }) {
  const [key, setKey] = useState('');
  const [isRemembered, setIsRemembered] = useState(false);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void signIn(key.trim(), isRemembered);
  };
  return (
    <form className="sign-in" onSubmit={submit}>
      <label>
        API key
        <input
          type="password"
          autoComplete="off"
          required
          placeholder="printed on the first start"
          value={key}
          onChange={(event) => setKey(event.target.value)}
        />
      </label>
      <label className="remember">
        <input
          type="checkbox"
          checked={isRemembered}
          onChange={(event) => setIsRemembered(event.target.checked)}
        />
        remember in this browser
      </label>
      <button type="submit" disabled={isBusy}>
        {isBusy ? 'Signing in …' : 'Sign in'}
      </button>
    </form>
  );
}
