// Chromium, the server with the package and a stream, and pages that remember what went wrong on them.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { CHROMIUM, watch } from './chromium.mjs';
import { startServer } from './server.mjs';
import { makeStream } from './streams.mjs';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = fileURLToPath(new URL('../pages', import.meta.url));
const MEDIA_CHROME = dirname(fileURLToPath(import.meta.resolve('media-chrome')));
/** Where screenshots and the logs of failed tests go; nowhere by default. */
const SHOTS = process.env.HEADGATE_SHOTS;

/** Starts everything. `close()` ends everything. `make` is given the folder of streams, to put more of them there. */
export async function start(make) {
  if (!existsSync(join(PACKAGE, 'dist/player.wasm'))) {
    throw new Error('player-web/dist is missing: run `npm run build:wasm && npm run build` first');
  }
  const stream = makeStream();
  make?.(stream.folder);
  const profile = mkdtempSync(join(tmpdir(), 'headgate-profile-'));
  const server = await startServer({
    '/headgate/': join(PACKAGE, 'dist'),
    '/media-chrome/': MEDIA_CHROME,
    '/pkg/': join(PACKAGE, 'pkg'),
    '/stream/': stream.folder,
    '/': PAGES,
  });
  const context = await chromium.launchPersistentContext(profile, {
    ...CHROMIUM,
    viewport: { width: 800, height: 600 },
  });
  return {
    server,
    /** Opens a page of e2e/pages; what it throws ends up in `page.problems`. */
    async open(path) {
      const page = watch(await context.newPage());
      await page.goto(server.origin + path);
      return page;
    },
    async close() {
      await context.close();
      await server.close();
      stream.remove();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** @param part a locator, if not all of the page is of interest */
export async function shoot(page, name, part = page) {
  keep(`${name}.png`, SHOTS && (await part.screenshot()));
}

/** Keeps something for people to look at. */
export function keep(name, data) {
  if (!SHOTS || !data) return;
  mkdirSync(SHOTS, { recursive: true });
  writeFileSync(join(SHOTS, name), data);
}
