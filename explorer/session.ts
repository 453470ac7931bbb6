import { useCallback, useEffect, useState } from 'react';
import { fetchAccount, WrongKeyError, type Account } from './api.ts';
import { fetchExampleIds } from './example-ids.ts';
import type { ExampleIds } from './example-tabs.ts';
import { forgetKey, readRememberedKey, rememberKey, takeKeyFromUrl } from './key.ts';

/** The signed-in account, or the reason why there is none. */
export type Session = {
  readonly signedIn: SignedIn | undefined;
  /** What to do, if signing in failed or the key stopped working. */
  readonly problem: string | undefined;
  readonly isBusy: boolean;
  readonly signIn: (key: string, isRemembered: boolean) => Promise<void>;
  readonly signOut: (problem?: string) => void;
};

export type SignedIn = {
  readonly key: string;
  readonly account: Account;
  /** Undefined if the account cannot read groups. */
  readonly exampleIds: ExampleIds | undefined;
};

/** Signs in with the key in the URL's fragment, or with the stored key; without either it waits for the form. */
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
      const account = await fetchAccount(key);
      setSignedIn({ key, account, exampleIds: await fetchExampleIds(key) });
      if (isRemembered && !rememberKey(key))
        setProblem('This browser does not allow the page to store the key.');
    } catch (error) {
      // If the server is unavailable, the key may still be valid.
      if (error instanceof WrongKeyError) forgetKey(key);
      setProblem((error as Error).message);
    } finally {
      setIsBusy(false);
    }
  }, []);

  useEffect(() => {
    const signInFromUrl = () => {
      const key = takeKeyFromUrl();
      if (key !== undefined) void signIn(key, false);
      return key !== undefined;
    };
    const storedKey = readRememberedKey();
    if (!signInFromUrl() && storedKey !== undefined) void signIn(storedKey, true);
    // Another URL with a key, pasted into this page, does not reload it.
    addEventListener('hashchange', signInFromUrl);
    return () => removeEventListener('hashchange', signInFromUrl);
  }, [signIn]);

  return { signedIn, problem, isBusy, signIn, signOut };
}
