import { useCallback, useEffect, useState } from 'react';
import { fetchAccount, WrongKeyError, type Account } from './api.ts';
import { forgetKey, readRememberedKey, rememberKey, takeKeyFromUrl } from './key.ts';

/** Who is signed in, or why nobody is. */
export type Session = {
  readonly signedIn: SignedIn | undefined;
  /** What to do, where signing in failed or the key stopped working. */
  readonly problem: string | undefined;
  readonly isBusy: boolean;
  readonly signIn: (key: string, isRemembered: boolean) => Promise<void>;
  readonly signOut: (problem?: string) => void;
};

export type SignedIn = { readonly key: string; readonly account: Account };

/** Signs in with the key of the URL's fragment, or the one that the person had remembered; else waits for one. */
export function useSession(): Session {
  const [signedIn, setSignedIn] = useState<SignedIn>();
  const [problem, setProblem] = useState<string>();
  const [isBusy, setIsBusy] = useState(false);

  const signOut = useCallback(
    (reason?: string) => {
      if (signedIn) forgetKey(signedIn.key);
      setSignedIn(undefined);
      setProblem(reason);
    },
    [signedIn],
  );

  const signIn = useCallback(async (key: string, isRemembered: boolean) => {
    setIsBusy(true);
    setProblem(undefined);
    setSignedIn(undefined);
    try {
      setSignedIn({ key, account: await fetchAccount(key) });
      if (isRemembered && !rememberKey(key))
        setProblem('This browser does not let the page remember the key.');
    } catch (error) {
      // A server that is away says nothing about the key.
      if (error instanceof WrongKeyError) forgetKey(key);
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
