import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countTests, format, NONE } from './counts.mjs';

const cases = {
  'cargo test, two binaries and doctests': [
    `running 4 tests
test a ... ok
test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 5 filtered out; finished in 0.01s

   Doc-tests player_core
test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s`,
    '10 passed, 1 failed, 2 skipped',
  ],
  'the Wasm runner': ['test result: ok. 2 passed; 0 failed; 1 ignored; 0 filtered out; finished in 0.34s', '2 passed, 0 failed, 1 skipped'],
  'nextest, all well': ['     Summary [   0.011s] 3 tests run: 3 passed, 0 skipped', '3 passed, 0 failed, 0 skipped'],
  'nextest, one test': ['     Summary [   0.011s] 1 test run: 1 passed, 0 skipped', '1 passed, 0 failed, 0 skipped'],
  'nextest, with colours, stopped early': [
    '\x1b[31;1m     Summary\x1b[0m [   1.204s] 12/14 tests run: 9 passed (1 slow, 1 flaky), 2 failed, 1 timed out, 3 skipped',
    '9 passed, 3 failed, 3 skipped',
  ],
  'node:test, spec': ['ℹ tests 6\nℹ suites 1\nℹ pass 2\nℹ fail 1\nℹ cancelled 1\nℹ skipped 1\nℹ todo 1\nℹ duration_ms 40', '2 passed, 2 failed, 2 skipped'],
  'node:test, TAP, twice': ['# tests 1\n# pass 1\n# fail 0\n# tests 2\n# pass 2\n# fail 0', '3 passed, 0 failed, 0 skipped'],
  vitest: [' Test Files  1 passed (1)\n      Tests  1 failed | 3 passed | 2 skipped (6)', '3 passed, 1 failed, 2 skipped'],
  Playwright: ['  2 failed\n    a.spec.ts:3:1 › x\n  1 skipped\n  3 passed (4.1s)', '3 passed, 2 failed, 1 skipped'],
  'the plain line': ['done\r\n3 passed, 0 failed\r\n', '3 passed, 0 failed, 0 skipped'],
};

for (const [name, [output, expected]] of Object.entries(cases)) {
  test(name, () => assert.equal(format(countTests(output)), expected));
}

test('other text counts nothing', () => {
  assert.deepEqual(countTests('12 passed the gate\nthe test result: 3 passed; 1 failed\n# pass on\nSummary: 4 tests run: 4 passed'), NONE);
});
