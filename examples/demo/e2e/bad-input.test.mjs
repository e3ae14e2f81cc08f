// What goes wrong is named, with the next step, and leaves nothing half done.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { plays, shoot, startBrowser, until } from './support/browser.mjs';
import { eventually, run, scratch, small, startDemo, within } from './support/demo.mjs';

describe('the program', { timeout: 300_000 }, () => {
  /** Runs the demo in vain; its message. */
  async function fails(args, options) {
    const program = run(args, options);
    const { code, stderr } = await within(60_000, 'it does not fail', program.ended);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /^error: /m);
    assert.doesNotMatch(stderr, /panicked/);
    return stderr;
  }

  function isEmpty(folder) {
    try {
      return readdirSync(folder).length === 0;
    } catch (error) {
      return error.code === 'ENOENT';
    }
  }

  test('a video that is missing, a folder, no video, or broken off', async (t) => {
    const data = scratch(t);
    const [folder, text] = ['folder.mp4', 'text.mp4'].map((name) => join(data, name));
    mkdirSync(folder);
    writeFileSync(text, 'This is no video.\n'.repeat(100));
    const missing = join(data, 'missing.mp4');
    for (const [path, message] of [
      [missing, /was not found; check the path/],
      [folder, /is a folder; name one video file/],
      [text, /is not a video or audio file/],
    ]) {
      const stderr = await fails([path, '--port', '0', '--data', data]);
      assert.ok(stderr.includes(path), stderr);
      assert.match(stderr, message);
    }

    // A real clip without its end: its index, which comes last, is gone.
    const demo = await startDemo(data, ['--sample-seconds', '2', '--sample-size', '320x180']);
    await demo.stop();
    const [clip] = readdirSync(join(data, 'clips'));
    const whole = join(data, 'clips', clip);
    rmSync(join(data, 'videos'), { recursive: true });
    truncateSync(whole, Math.floor(statSync(whole).size / 2));
    const stderr = await fails([whole, '--port', '0', '--data', data]);
    assert.ok(stderr.includes(whole), stderr);
    assert.ok(isEmpty(join(data, 'videos')), 'something was left behind');
  });

  test('a port in use', async (t) => {
    const data = scratch(t);
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    t.after(() => server.close());
    const { port } = server.address();
    const stderr = await fails(['--data', data], { env: { PORT: String(port) } });
    assert.ok(stderr.includes(`port ${port} of 127.0.0.1 is in use`), stderr);
    assert.ok(stderr.includes(`PORT=${port + 1} npm start`), stderr);
    assert.ok(isEmpty(data), 'it began to work before it had a port');
  });

  test('a page that is not built, a ladder that is none, data that another demo uses', async (t) => {
    const data = scratch(t);
    assert.match(await fails(['--port', '0', '--data', data, '--web', join(data, 'web')]), /the page is not built: .* npm run build/);
    assert.match(await fails(['--port', '0', '--data', data, '--ladder', '720p']), /ladder "720p": .*720p:2500k/);
    const demo = await startDemo(data, ['--sample-seconds', '2', '--sample-size', '320x180']);
    const stderr = await fails(['--port', '0', '--data', data]);
    assert.match(stderr, /--data/);
    await demo.stop();
  });

  test('what was encoded before is served within the second start', async (t) => {
    const data = scratch(t);
    const args = ['--sample-seconds', '2', '--sample-size', '320x180'];
    const first = await startDemo(data, args);
    assert.ok(first.lines.some(({ event }) => event === 'start'), 'it did not say that it encodes');
    await first.stop();
    const second = await startDemo(data, args);
    assert.deepEqual(second.lines.map(({ event }) => event), ['listening']);
    assert.deepEqual(second.demo, first.demo);
    await second.stop();
  });

  test('a signal in the middle of the encoding leaves nothing', async (t) => {
    const data = scratch(t);
    const program = run(['--port', '0', '--data', data, '--json', '--sample-seconds', '60']);
    await program.printed(({ event, frames }) => event === 'progress' && frames > 0);
    program.kill('SIGINT');
    const { code } = await within(20_000, 'it does not end', program.ended);
    assert.equal(code, 0);
    assert.ok(isEmpty(join(data, 'clips')) && isEmpty(join(data, 'videos')), 'something was left behind');
  });
});

describe('the page', { timeout: 300_000 }, () => {
  const data = mkdtempSync(join(tmpdir(), 'headgate-demo-'));
  let demo;
  let browser;
  before(async () => {
    demo = await startDemo(data, small(12));
    browser = await startBrowser();
  }, { timeout: 120_000 });
  after(async () => {
    await browser?.close();
    await demo?.stop();
    rmSync(data, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Loads with these faults in vain; the error as the element has it. */
  async function failsWith(t, rules, query = '') {
    await demo.faults(...rules);
    t.after(() => demo.faults());
    const page = await browser.open(demo.url + query);
    t.after(() => page.close());
    await until(page, () => video.error !== null, undefined, 60_000);
    const error = await page.evaluate(() => ({ code: video.error.code, kind: video.error.kind, message: video.error.message }));
    await until(page, (message) => document.getElementById('log').innerText.includes(message), error.message.slice(0, 20));
    assert.equal(await page.textContent('#state'), 'failed');
    assert.deepEqual(page.problems, []);
    return { page, error };
  }

  for (const [query, path] of [['', 'hls/master.m3u8'], ['?protocol=dash', 'dash/manifest.mpd']]) {
    test(`${path} is HTML`, async (t) => {
      const { page, error } = await failsWith(t, [`html:*/${path}`], query);
      assert.deepEqual([error.kind, error.code], ['manifest', 4]);
      assert.match(error.message, /HTML/i);
      assert.ok(error.message.includes(path.split('/')[1]), error.message);
      await shoot(page, `error-${path.split('/')[0]}`);
      await page.goto('about:blank');
      const { views } = await eventually('the failed view', () => demo.json('v1/views?filter=failed'), ({ views }) => views.some(({ source }) => source.endsWith(path)));
      assert.equal(views.find(({ source }) => source.endsWith(path)).fatal, 'manifest');
    });
  }

  test('the playlist is not there', async (t) => {
    const { error } = await failsWith(t, ['404:*/hls/master.m3u8']);
    assert.deepEqual([error.kind, error.code], ['http', 2]);
    assert.match(error.message, /404/);
  });

  test('no segment is there', async (t) => {
    const { error } = await failsWith(t, ['404:*.m4s']);
    assert.equal(error.kind, 'http');
    assert.match(error.message, /404.*\.m4s|\.m4s.*404/);
  });

  for (const [what, rules] of [
    ['a segment is not there twice', ['404x2:*p/2.m4s']],
    ['a segment is truncated twice', ['truncatex2:*p/2.m4s']],
    ['a connection breaks in the middle of a segment', ['breakx2:*p/2.m4s']],
    ['the server is busy for a moment', ['503x1:*/hls/master.m3u8', '503x1:*/1.m4s']],
  ]) {
    test(`${what}: it plays on`, async (t) => {
      await demo.faults(...rules);
      t.after(() => demo.faults());
      const page = await browser.open(demo.url);
      t.after(() => page.close());
      await plays(page);
      await until(page, () => video.currentTime > 6, undefined, 60_000);
      assert.equal(await page.evaluate(() => video.error), null);
      const left = await demo.json('videos/_origin/faults');
      assert.ok(left.every((rule) => rule.includes('x0:')), `the fault never struck: ${left}`);
      assert.ok((await page.textContent('#log')).includes('warning'), 'the page was not told');
      assert.deepEqual(page.problems, []);
    });
  }
});
