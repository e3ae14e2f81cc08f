import assert from 'node:assert/strict';
import { existsSync, linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { folderBytes, makeRoom } from './setup/space.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'headgate-space-'));
after(() => rmSync(scratch, { recursive: true }));

/** A target folder of 40 kB in two files, one of which has two names. */
function built(name) {
  const folder = join(scratch, name);
  mkdirSync(join(folder, 'debug/deps'), { recursive: true });
  writeFileSync(join(folder, 'debug/deps/program'), Buffer.alloc(20_000, 1));
  writeFileSync(join(folder, 'debug/deps/library'), Buffer.alloc(20_000, 1));
  linkSync(join(folder, 'debug/deps/program'), join(folder, 'debug/program'));
  return folder;
}

test('a file with two names counts once', () => {
  const bytes = folderBytes(built('linked'));
  assert.ok(bytes >= 40_000 && bytes < 60_000, String(bytes));
  assert.equal(folderBytes(join(scratch, 'absent')), 0);
});

test('a folder that is small enough stays', () => {
  const folder = built('small');
  makeRoom('test', { folder, largest: 1e6, free: () => 5e9 });
  assert.ok(existsSync(folder));
});

test('a folder that has outgrown its limit is emptied', () => {
  const folder = built('large');
  makeRoom('test', { folder, largest: 30_000, free: () => 50e9 });
  assert.ok(!existsSync(folder));
});

test('a full disk empties the folder, and no build begins that could not end', () => {
  const folder = built('full');
  assert.throws(() => makeRoom('test', { folder, free: () => 1e9 }), /1\.0 GB are free .* takes 9\.0 GB/);
  assert.ok(!existsSync(folder));
});
