// Tests with a page of Chromium each, that is listened to.

import { afterEach, beforeEach } from 'node:test';
import { unharmed } from './page.mjs';
import { assertKept, listen } from './protected.mjs';

/** In a `describe`: what it returns has `page`, and what is heard of it, in each test. After each, no secret has got anywhere. */
export function withPage(lab) {
  const here = {};
  beforeEach(async () => {
    lab.licence.reset();
    lab.site.server.beacons.length = 0;
    here.page = await lab.site.open('/element.html');
    here.heard = listen(here.page);
  });
  afterEach(async () => {
    const { page, heard } = here;
    try {
      if (await page.evaluate(() => globalThis.video !== undefined)) await assertKept(page, lab, heard);
      unharmed(page);
    } finally {
      await page.close();
    }
  });
  return here;
}
