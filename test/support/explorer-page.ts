import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const chromiumPaths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** The path of Chromium, if it is installed. */
export const chromiumPath = chromiumPaths.find((path) => existsSync(path));

const screenshotDir = fileURLToPath(new URL('../../screenshots/', import.meta.url));

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  // Without the browser's own requests.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** For what hangs: on a loaded machine, a page may need more than ten seconds to open. */
const timeoutMs = 30_000;

export async function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath!, args: flags });
}

/** The explorer in a browser, used as a person does. */
export type ExplorerPage = {
  readonly page: Page;
  /** Requests to other hosts. All of them were blocked. */
  readonly foreignRequests: readonly string[];
  /** Errors in the console: violations of the content security policy, exceptions of the page. */
  readonly complaints: readonly string[];
  open(fragment?: string): Promise<void>;
  /** The text about the signed-in account. */
  readAccount(): Promise<string>;
  /** The error in the page header. */
  readProblem(): Promise<string>;
  openTab(name: string): Promise<void>;
  /** Replaces the operation of the current tab. */
  writeQuery(query: string): Promise<void>;
  /** Replaces the variables of the current tab. */
  writeVariables(variables: object): Promise<void>;
  /** Replaces the headers of the current tab, whose pane is open. */
  writeHeaders(headers: object): Promise<void>;
  run(operationName?: string): Promise<void>;
  /** The visible part of the response, on one line. */
  readResponse(): Promise<string>;
  /** Waits until the operation of the current tab contains a text. */
  waitForQuery(text: string): Promise<void>;
  /** Waits until the response contains a text, and returns the whole response. */
  waitForResponse(text: string): Promise<string>;
  /** The accessibility violations that axe finds, without minor ones. */
  findAccessibilityViolations(): Promise<string[]>;
  screenshot(name: string): Promise<void>;
  close(): Promise<void>;
};

export async function openExplorerPage(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<ExplorerPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(timeoutMs);
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
    // The editor has added closing brackets and quotes.
    await page.keyboard.press('Control+Shift+End');
    await page.keyboard.press('Delete');
  };

  const readEditor = async (part: 'response' | 'query-editor') => {
    const lines = await page.locator(`.graphiql-${part} .view-line`).allInnerTexts();
    // Monaco breaks lines anywhere, and writes non-breaking spaces.
    return lines.join(' ').replace(/\s+/g, ' ').trim();
  };
  const waitForText = async (part: 'response' | 'query-editor', text: string) => {
    for (const deadline = Date.now() + timeoutMs; ;) {
      const shown = await readEditor(part);
      if (shown.includes(text)) return shown;
      if (Date.now() > deadline) throw new Error(`the ${part} has no ${text}: ${shown}`);
      await page.waitForTimeout(50);
    }
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
      // GraphiQL needs a moment to count the operations of the tab.
      const menu = operationName ? '[aria-haspopup="menu"]' : ':not([aria-haspopup])';
      await page.locator(`.graphiql-execute-button${menu}`).click();
      if (operationName) await page.getByRole('menuitem', { name: operationName }).click();
    },
    readResponse: () => readEditor('response'),
    waitForQuery: async (text) => void (await waitForText('query-editor', text)),
    waitForResponse: (text) => waitForText('response', text),
    async findAccessibilityViolations() {
      // Elements that fade in have too little contrast until they are visible.
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
