import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from '@jest/globals';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { chromiumPath, launchChromium, openExplorerPage, type ExplorerPage } from './explorer-page.ts';
import { testKey, type TestApp } from './test-app.ts';

if (!chromiumPath) {
  process.stdout.write('The tests of the explorer in a browser are skipped: Chromium is not installed\n');
}
/** A `describe` whose tests need Debian's Chromium; CI installs it. */
export const describeInBrowser = chromiumPath ? describe : describe.skip;

/** Chromium logs every error response, which the page shows anyway, and Monaco an editor that is closed while it works. */
const expectedComplaint = /^(Failed to load resource|Canceled$)/;

/**
 * Opens a browser for all tests of the `describe`, and a page with the explorer of `app` for each test, which must not
 * send requests to other hosts, or log unexpected errors.
 */
export function useExplorer(app: TestApp) {
  const explorer = {} as ExplorerPage;
  let browser: Browser;
  /** Opens another page, which the caller closes. */
  const openPage = (options: BrowserContextOptions = {}, url = app.httpUrl) =>
    openExplorerPage(browser, url, options);
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    Object.assign(explorer, await openPage());
  });
  afterEach(async () => {
    // Not those of workers that closing the page interrupts.
    const complaints = [...explorer.complaints];
    await explorer.close();
    expect(explorer.foreignRequests).toStrictEqual([]);
    expect(complaints.filter((complaint) => !expectedComplaint.test(complaint))).toStrictEqual([]);
  });

  /** Signs in by the URL, and returns the text about the account. */
  const signIn = async (key = testKey) => {
    await explorer.open(`#key=${key}`);
    return explorer.readAccount();
  };
  const button = (name: string) => explorer.page.getByRole('button', { name, exact: true });
  return { explorer, openPage, signIn, button };
}
