// Child processes. Each runs in a process group of its own, and nothing outlives the script that started it.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Problem } from './report.mjs';

/** Every descendant carries this in its environment, also one that left its process group. */
const outermost = !process.env.HEADGATE_RUN;
const mark = process.env.HEADGATE_RUN || `${process.pid}.${Date.now()}`;
const groups = new Set();

/**
 * @typedef {object} Options
 * @property {string} [cwd]
 * @property {Record<string, string | undefined>} [env] added to this process's environment; undefined removes
 * @property {number} [limitMs] the group is killed after this time (30 minutes if nothing else is said)
 * @property {boolean} [show] pass the output on as it comes (it is always kept, too)
 */

/**
 * Runs a program to its end; what it printed (stdout and stderr as they came) is in `output`.
 * @returns {Promise<{ ok: boolean, code: number | null, output: string, timedOut: boolean }>}
 */
export function run(command, args, { cwd, env, limitMs = 30 * 60_000, show = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: environment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const chunks = [];
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid, 'SIGKILL');
    }, limitMs);

    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error.code === 'ENOENT' ? new Problem(`${command} was not found`) : error);
    });
    child.once('spawn', () => groups.add(child.pid));
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ]) {
      from.on('data', (chunk) => {
        chunks.push(chunk);
        if (show) to.write(chunk);
      });
    }
    // A grandchild that was left behind would keep the pipes open: end the whole group with its leader.
    child.once('exit', () => {
      clearTimeout(timer);
      killGroup(child.pid, 'SIGKILL');
      groups.delete(child.pid);
      setTimeout(() => (child.stdout.destroy(), child.stderr.destroy()), 2_000).unref();
    });
    child.once('close', (code) => {
      resolve({ ok: code === 0 && !timedOut, code, output: Buffer.concat(chunks).toString(), timedOut });
    });
  });
}

/** As `run`, but failure is a `Problem` that shows the end of what was printed. */
export async function mustRun(command, args, options = {}, next = undefined) {
  const result = await run(command, args, options);
  if (!result.ok) {
    const problem = new Problem(failure(command, args, result, options.show), next);
    problem.output = result.output;
    throw problem;
  }
  return result.output;
}

/** The trimmed stdout of a quick program, or undefined if it is absent or fails. */
export function ask(command, args, env) {
  const result = spawnSync(command, args, { encoding: 'utf8', env: environment(env), timeout: 20_000 });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/** Replaces this script by a program as far as Node can: same terminal, signals passed on, its exit code ours. */
export function become(command, args, { cwd, env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: environment(env), stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.removeAllListeners(signal);
      // A terminal's Ctrl-C reaches the program by itself.
      process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY) || child.kill(signal));
    }
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ? 130 : code));
  });
}

function failure(command, args, { output, timedOut, code }, shown) {
  const tail = shown ? '' : `\n${output.trimEnd().split('\n').slice(-40).join('\n')}`;
  const how = timedOut ? 'took too long and was stopped' : `failed (${code ?? 'killed'})`;
  return `\`${command} ${args.join(' ')}\` ${how}${tail}`;
}

function environment(extra = {}) {
  const env = { ...process.env, HEADGATE_RUN: mark, ...extra };
  for (const key of Object.keys(env)) if (env[key] === undefined) delete env[key];
  return env;
}

function killGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function killMarked(signal) {
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const marked = readFileSync(`/proc/${entry}/environ`, 'latin1').split('\0').includes(`HEADGATE_RUN=${mark}`);
      if (marked) process.kill(Number(entry), signal);
    } catch {
      // Ended meanwhile, or another user's.
    }
  }
}

process.once('exit', () => {
  for (const pid of groups) killGroup(pid, 'SIGKILL');
  if (outermost) killMarked('SIGKILL');
});
for (const [signal, number] of [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
]) {
  process.on(signal, () => end(128 + number));
}

// npm does not pass every signal on, and passes none when it is killed: a script whose npm is gone ends, too.
const npm = process.env.npm_lifecycle_event && ancestorNamed('npm');
if (npm) setInterval(() => existsSync(`/proc/${npm}`) || process.emit('SIGTERM'), 500).unref();

function ancestorNamed(name) {
  for (let pid = process.ppid; pid > 1; ) {
    const [, title, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').match(/\((.*)\) \S (\d+)/);
    if (title.startsWith(name)) return pid;
    pid = Number(parent);
  }
  return undefined;
}

function end(code) {
  for (const pid of groups) killGroup(pid, 'SIGTERM');
  setTimeout(() => process.exit(code), 500);
}
