import { useCallback, useEffect, useState } from 'react';
import { fetchAccount, WrongKeyError, type Account } from './api.ts';
import { forgetKey, readRememberedKey, rememberKey, takeKeyFromUrl } from './key.ts';

/** Who is signed in, or why nobody is. */
export type Session = {
  readonly signedIn: { readonly key: string; readonly account: Account } | undefined;
  /** What to do, where signing in failed or the key stopped working. */
  readonly problem: string | undefined;
  readonly isBusy: boolean;
  readonly signIn: (key: string, isRemembered: boolean) => Promise<void>;
  readonly signOut: (problem?: string) => void;
};

/** Signs in with the key of the URL's fragment, or the one that the person had remembered; else waits for one. */
export function useSession(): Session {
  const [signedIn, setSignedIn] = useState<Session['signedIn']>();
  const [problem, setProblem] = useState<string>();
  const [isBusy, setIsBusy] = useState(false);

  const signOut = useCallback((reason?: string) => {
    forgetKey();
    setSignedIn(undefined);
    setProblem(reason);
  }, []);

  const signIn = useCallback(async (key: string, isRemembered: boolean) => {
    setIsBusy(true);
    setProblem(undefined);
    try {
      const account = await fetchAccount(key);
      if (isRemembered) rememberKey(key);
      setSignedIn({ key, account });
    } catch (error) {
      // A server that is away says nothing about the key.
      if (error instanceof WrongKeyError) forgetKey();
      setProblem((error as Error).message);
    } finally {
      setIsBusy(false);
    }
  }, []);

  useEffect(() => {
    const signInByUrl = () => {
      const key = takeKeyFromUrl();
      if (key !== undefined) void signIn(key, false);
      return key !== undefined;
    };
    const remembered = readRememberedKey();
    if (!signInByUrl() && remembered !== undefined) void signIn(remembered, true);
    // Another URL with a key, pasted into this very page, does not load it again.
    addEventListener('hashchange', signInByUrl);
    return () => removeEventListener('hashchange', signInByUrl);
  }, [signIn]);

  return { signedIn, problem, isBusy, signIn, signOut };
}
