// Firefox ESR as Debian has it, driven by WebDriver BiDi (W3C): the few commands that a test needs.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';

const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
const PATIENCE_MS = 60_000;
const PREFERENCES = {
  'app.update.disabledForTesting': true,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'media.autoplay.default': 0,
  'media.eme.enabled': true,
  // Key systems that would be downloaded; ClearKey comes with Firefox.
  'media.gmp-manager.updateEnabled': false,
  'media.gmp-widevinecdm.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'toolkit.telemetry.reportingpolicy.firstRun': false,
};

/** Whether it is installed. */
export const hasFirefox = existsSync(FIREFOX);

/** Starts it without a window. `close()` ends it. */
export async function startFirefox() {
  const profile = mkdtempSync(join(tmpdir(), 'headgate-firefox-'));
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  writeFileSync(join(profile, 'user.js'), lines.join('\n'));
  const args = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'];
  const firefox = spawn(FIREFOX, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' } });
  const ended = new Promise((resolve) => firefox.once('exit', resolve));
  const remove = () => rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  try {
    const session = await Session.open(`${await address(firefox, ended)}/session`);
    return {
      open: (url) => Page.open(session, url),
      async close() {
        await session.close();
        firefox.kill();
        await ended;
        remove();
      },
    };
  } catch (error) {
    firefox.kill('SIGKILL');
    await ended;
    remove();
    throw error;
  }
}

/** Where it listens, which it says in a line of standard error. */
function address(firefox, ended) {
  let said = '';
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`Firefox does not listen: ${said}`)), PATIENCE_MS);
    firefox.stderr.on('data', (text) => {
      said += text;
      const [, url] = /WebDriver BiDi listening on (ws:\/\/\S+)/.exec(said) ?? [];
      if (!url) return;
      clearTimeout(late);
      said = '';
      resolve(url);
    });
    firefox.once('error', reject);
    ended.then((code) => reject(new Error(`Firefox ended with ${code}: ${said}`)));
  });
}

class Session {
  #socket;
  #waiting = new Map();
  #last = 0;
  /** What pages have said and thrown: `{ level, text }`. */
  said = [];

  static async open(url) {
    const session = new Session();
    session.#socket = new WebSocket(url);
    session.#socket.on('message', (data) => session.#receive(JSON.parse(data)));
    session.#socket.on('close', () => session.#waiting.forEach(({ reject }) => reject(new Error('Firefox is gone'))));
    await new Promise((resolve, reject) => session.#socket.once('open', resolve).once('error', reject));
    await session.send('session.new', { capabilities: {} });
    await session.send('session.subscribe', { events: ['log.entryAdded'] });
    return session;
  }

  send(method, params) {
    const id = ++this.#last;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`Firefox does not answer ${method}`)), PATIENCE_MS);
      const settle = (act) => (value) => {
        clearTimeout(late);
        this.#waiting.delete(id);
        act(value);
      };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
    });
  }

  #receive({ id, method, params, result, error, message }) {
    if (method === 'log.entryAdded') this.said.push({ level: params.level, text: params.text });
    const waiting = this.#waiting.get(id);
    if (error) waiting?.reject(new Error(`${error}: ${message}`));
    else waiting?.resolve(result);
  }

  async close() {
    await this.send('session.end', {}).catch(() => undefined);
    this.#socket.terminate();
  }
}

/** What the tests use of Playwright's pages, under the same names. */
class Page {
  #session;
  #context;

  static async open(session, url) {
    const page = new Page();
    page.#session = session;
    ({ context: page.#context } = await session.send('browsingContext.create', { type: 'tab' }));
    await session.send('browsingContext.setViewport', { context: page.#context, viewport: { width: 800, height: 600 } });
    await session.send('browsingContext.navigate', { context: page.#context, url, wait: 'complete' });
    session.said.length = 0;
    return page;
  }

  /** Errors that the page has thrown or written, as in `watch` of chromium.mjs. */
  get problems() {
    return this.#session.said.filter(({ level }) => level === 'error').map(({ text }) => text);
  }

  /** Everything that it has written. */
  get said() {
    return this.#session.said.map(({ text }) => text);
  }

  /** Calls a function in the page; argument and result are JSON. */
  async evaluate(act, argument) {
    const expression = `(async () => JSON.stringify((await (${act})(${JSON.stringify(argument) ?? ''})) ?? null))()`;
    const target = { context: this.#context };
    const { result, exceptionDetails } = await this.#session.send('script.evaluate', { expression, target, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return JSON.parse(result.value);
  }

  async waitForFunction(test, argument, { timeout, polling }) {
    const end = performance.now() + timeout;
    while (!(await this.evaluate(test, argument))) {
      if (performance.now() > end) throw new Error(`Timeout ${timeout}ms exceeded.`);
      await new Promise((resolve) => setTimeout(resolve, polling));
    }
  }

  /** A PNG of the page, in base64. */
  async screenshot() {
    return (await this.#session.send('browsingContext.captureScreenshot', { context: this.#context })).data;
  }

  close() {
    return this.#session.send('browsingContext.close', { context: this.#context });
  }
}
