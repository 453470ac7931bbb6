// Takes the pictures of README, in docs/images/: the explorer asking before a delete, in light and dark. Needs `npm run
// build` and Chromium (`apt-get install chromium`).
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { startTemporaryServer } from './temporary-server.js';

const imageDir = resolve('docs/images');
const { url, key, stop } = await startTemporaryServer();
try {
  await takePictures(`${url}/#key=${key}`);
} finally {
  await stop();
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
      await page.getByRole('button', { name: 'Delete group 1' }).waitFor();
      await page.screenshot({
        path: join(imageDir, `delete-confirmation-${colorScheme}.png`),
        animations: 'disabled',
      });
      await context.close();
    }
  } finally {
    await browser.close();
  }
}
