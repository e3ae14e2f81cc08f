// How every end-to-end test of this repository starts Chromium, and what counts as something going wrong on a page.

/** Options of Playwright's `launch`. */
export const CHROMIUM = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--autoplay-policy=no-user-gesture-required',
  ],
};

/** Gathers in `page.problems` what the page throws, and what its console calls an error. */
export function watch(page) {
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(error.stack ?? String(error)));
  page.on('console', (message) => {
    // Chromium itself reports requests that fail; some tests make them fail.
    const own = !message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && own) page.problems.push(message.text());
  });
  return page;
}
