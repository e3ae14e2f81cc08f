// How many tests ran, from what their runners print: nextest, cargo test (also doctests and the Wasm runner), node:test,
// vitest, Playwright, and the plain line `N passed, N failed, N skipped`.

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

export const NONE = Object.freeze({ passed: 0, failed: 0, skipped: 0 });

/** @returns {Counts} */
export function add(a, b) {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

export function format({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/**
 * Adds up every summary in a runner's output.
 * @param {string} output
 * @returns {Counts}
 */
export function countTests(output) {
  return output
    .replace(/\x1b\[[0-9;]*[A-Za-z]/g, '')
    .split(/\r?\n/)
    .map((line) => READERS.reduce((found, read) => found ?? read(line), undefined) ?? NONE)
    .reduce(add, NONE);
}

/** Each reads one form of line and returns undefined for any other. */
const READERS = [
  // test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s
  (line) => /^test result: /.test(line) && words(line, { passed: 'passed', failed: 'failed', ignored: 'skipped' }),
  // Summary [   1.204s] 12/14 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 3 skipped
  (line) =>
    /^\s*Summary \[.*\] .*tests? run: /.test(line) &&
    words(line.slice(line.indexOf('run:')), {
      passed: 'passed',
      failed: 'failed',
      'timed out': 'failed',
      'exec failed': 'failed',
      skipped: 'skipped',
    }),
  // ℹ pass 3 (spec) or # pass 3 (TAP): one line for each number
  (line) => {
    const match = line.match(/^(?:ℹ|#) (pass|fail|cancelled|skipped|todo) (\d+)$/);
    const kind = { pass: 'passed', fail: 'failed', cancelled: 'failed', skipped: 'skipped', todo: 'skipped' };
    return match ? { ...NONE, [kind[match[1]]]: Number(match[2]) } : undefined;
  },
  // vitest:      Tests  1 failed | 3 passed | 2 skipped (6)
  (line) => /^\s*Tests\s+\d+ /.test(line) && words(line, { passed: 'passed', failed: 'failed', skipped: 'skipped', todo: 'skipped' }),
  // 3 passed, 0 failed, 1 skipped
  (line) =>
    /^\d+ passed, \d+ failed(, \d+ skipped)?$/.test(line) && words(line, { passed: 'passed', failed: 'failed', skipped: 'skipped' }),
  // Playwright:   2 failed / 3 passed (4.1s) / 1 skipped
  (line) =>
    /^ {2}\d+ (passed|failed|skipped|flaky|interrupted|did not run)( \([\d.]+m?s\))?$/.test(line) &&
    words(line, { passed: 'passed', flaky: 'passed', failed: 'failed', interrupted: 'failed', skipped: 'skipped', 'did not run': 'skipped' }),
].map((read) => (line) => read(line) || undefined);

/** Adds up `N word` for the words given, each under the name it maps to. */
function words(line, names) {
  const counts = { ...NONE };
  for (const [word, name] of Object.entries(names)) {
    for (const match of line.matchAll(new RegExp(`(\\d+) ${word}\\b`, 'g'))) counts[name] += Number(match[1]);
  }
  return counts;
}
