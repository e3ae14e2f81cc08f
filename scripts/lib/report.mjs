// What people read: progress lines, and problems that say what to do next.

/** A failure with a remedy. It is printed without a stack trace. */
export class Problem extends Error {
  /**
   * @param {string} message what is wrong, naming the thing
   * @param {string} [next] what to do about it
   */
  constructor(message, next) {
    super(message);
    this.next = next;
  }
}

const started = Date.now();
const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code, text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);

export const bold = (text) => paint(1, text);
export const green = (text) => paint(32, text);
export const red = (text) => paint(31, text);
export const dim = (text) => paint(2, text);

export function say(line) {
  console.log(line);
}

/** Seconds as people say them: `0.4 s`, `12 s`, `3 min 05 s`. */
export function seconds(ms) {
  const s = ms / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  return `${Math.floor(s / 60)} min ${String(Math.round(s) % 60).padStart(2, '0')} s`;
}

/** Runs one slow piece of work between a line that announces it and a line that says how long it took. */
export async function working(name, expectation, work) {
  say(`  ${name}: ${expectation} …`);
  const begin = Date.now();
  const reminder = setInterval(() => say(dim(`  ${name}: still at it after ${seconds(Date.now() - begin)}`)), 30_000);
  try {
    const result = await work();
    say(`  ${name}: done in ${seconds(Date.now() - begin)}`);
    return result;
  } finally {
    clearInterval(reminder);
  }
}

/** Runs a script's main function; a `Problem` ends it with exit code 1 and its remedy. */
export async function main(body) {
  try {
    process.exitCode = (await body(process.argv.slice(2))) ?? 0;
  } catch (error) {
    // The system's own errors name the file or the program; anything else is a mistake of ours and keeps its trace.
    if (!(error instanceof Problem) && !error.syscall) throw error;
    console.error(`\n${red('error')}: ${error.message}`);
    if (error.next) console.error(`\n${error.next}`);
    process.exitCode = 1;
  }
}

export const elapsed = () => seconds(Date.now() - started);
