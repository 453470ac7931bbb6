// Takes the pictures of README, in docs/images/: the explorer asking before a delete, in light and dark. Needs `npm run build` and
// Chromium (`apt-get install chromium`); starts a server of its own with an embedded database in a temporary folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const imageDir = resolve('docs/images');
const folder = mkdtempSync(join(tmpdir(), 'group-api-screenshot-'));
// PostgreSQL does not run as root: its user has to enter the folder.
chmodSync(folder, 0o755);
const dataDir = join(folder, 'data');
const server = spawn(process.execPath, [resolve('dist/main.js')], {
  cwd: folder,
  env: { PATH: process.env.PATH, PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'warn' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const exited = once(server, 'exit');
try {
  const explorerUrl = await readExplorerUrl();
  await takePictures(explorerUrl);
} finally {
  server.kill('SIGTERM');
  await exited;
  rmSync(folder, { recursive: true, force: true });
}

/** Returns the URL that the first start prints, which signs in. */
async function readExplorerUrl() {
  for await (const line of createInterface({ input: server.stdout })) {
    const url = /Explorer +(http\S+)/.exec(line)?.[1];
    if (url) return url;
  }
  throw new Error('The server ended before it was ready');
}

async function takePictures(explorerUrl) {
  mkdirSync(imageDir, { recursive: true });
  const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    for (const colorScheme of ['light', 'dark']) {
      const context = await browser.newContext({ colorScheme, viewport: { width: 1100, height: 620 } });
      const page = await context.newPage();
      await page.goto(explorerUrl);
      await page.getByRole('status').filter({ hasText: 'signed in as' }).waitFor();
      // The editor has colored the query.
      await page.locator('.mtk1').first().waitFor();
      await page.locator('button.graphiql-execute-button').click();
      await page.getByRole('button', { name: 'Send it' }).waitFor();
      await page.screenshot({ path: join(imageDir, `delete-confirmation-${colorScheme}.png`) });
      await context.close();
    }
  } finally {
    await browser.close();
  }
}
