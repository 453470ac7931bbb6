import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const chromiumPaths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** Where Chromium is, if it is installed. */
export const chromiumPath = chromiumPaths.find((path) => existsSync(path));

const screenshotDir = fileURLToPath(new URL('../../screenshots/', import.meta.url));

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  // Its own requests, which are none of the page's.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export async function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath!, args: flags });
}

/** The explorer in a browser, as a person uses it. */
export type ExplorerPage = {
  readonly page: Page;
  /** What was asked of other hosts. All of it was stopped. */
  readonly foreignRequests: readonly string[];
  /** What the browser complained about: refusals by the content security policy, faults of the page. */
  readonly complaints: readonly string[];
  open(fragment?: string): Promise<void>;
  /** What the head of the page says of who is signed in. */
  readAccount(): Promise<string>;
  /** What the head of the page says that is wrong. */
  readProblem(): Promise<string>;
  openTab(name: string): Promise<void>;
  /** Writes the operation of the present tab. */
  writeQuery(query: string): Promise<void>;
  /** Writes the variables of the present tab. */
  writeVariables(variables: object): Promise<void>;
  /** Writes the headers of the present tab, whose pane is open. */
  writeHeaders(headers: object): Promise<void>;
  run(operationName?: string): Promise<void>;
  /** The response as far as it is in sight, on one line. */
  readResponse(): Promise<string>;
  /** Waits until the response has a text, and answers the whole of it. */
  waitForResponse(text: string): Promise<string>;
  /** The faults that axe finds, but the minor ones. */
  findAccessibilityFaults(): Promise<string[]>;
  screenshot(name: string): Promise<void>;
  close(): Promise<void>;
};

export async function openExplorerPage(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<ExplorerPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(10_000);
  const foreignRequests: string[] = [];
  const complaints: string[] = [];
  await context.route(
    (url) => url.origin !== origin,
    async (route) => {
      foreignRequests.push(route.request().url());
      await route.abort();
    },
  );
  const page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  const account = page.getByRole('status').filter({ hasText: 'signed in as' });

  const write = async (editor: string, text: string) => {
    await page.getByRole('textbox', { name: editor }).focus();
    await page.keyboard.press('Control+A');
    await page.keyboard.insertText(text);
    // The editor closed the brackets and the quotes as well.
    await page.keyboard.press('Control+Shift+End');
    await page.keyboard.press('Delete');
  };

  const readResponse = async () => {
    const lines = await page.locator('.graphiql-response .view-line').allInnerTexts();
    // Monaco breaks lines where it likes, and writes spaces that do not break.
    return lines.join(' ').replace(/\s+/g, ' ').trim();
  };

  return {
    page,
    foreignRequests,
    complaints,
    async open(fragment = '') {
      await page.goto(`${origin}/${fragment}`);
      await page.getByRole('button', { name: 'Execute query' }).waitFor();
      await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    },
    readAccount: () => account.innerText(),
    readProblem: () => page.locator('.account-bar .problem').innerText(),
    async openTab(name) {
      await page.locator('.graphiql-tab-button', { hasText: name }).click();
    },
    writeQuery: (query) => write('Operation', query),
    writeVariables: (variables) => write('Variables', JSON.stringify(variables)),
    writeHeaders: (headers) => write('Headers', JSON.stringify(headers)),
    async run(operationName) {
      // GraphiQL takes a moment to see how many operations the tab has.
      const menu = operationName ? '[aria-haspopup="menu"]' : ':not([aria-haspopup])';
      await page.locator(`.graphiql-execute-button${menu}`).click();
      if (operationName) await page.getByRole('menuitem', { name: operationName }).click();
    },
    readResponse,
    async waitForResponse(text) {
      for (const deadline = Date.now() + 10_000; ;) {
        const response = await readResponse();
        if (response.includes(text)) return response;
        if (Date.now() > deadline) throw new Error(`the response has no ${text}: ${response}`);
        await page.waitForTimeout(50);
      }
    },
    async findAccessibilityFaults() {
      // What still comes into sight is paler than it will be.
      await page.waitForTimeout(500);
      const { violations } = await new AxeBuilder({ page }).analyze();
      return violations
        .filter(({ impact }) => impact !== 'minor')
        .flatMap(({ id, impact, nodes }) =>
          nodes.map(
            ({ target, failureSummary }) => `${impact} ${id}: ${target.join(' ')}: ${failureSummary}`,
          ),
        );
    },
    async screenshot(name) {
      mkdirSync(screenshotDir, { recursive: true });
      await page.screenshot({ path: join(screenshotDir, `${name}.png`) });
    },
    close: () => context.close(),
  };
}
