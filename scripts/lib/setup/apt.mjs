// Debian packages.

import { existsSync } from 'node:fs';
import { ask, mustRun } from '../run.mjs';
import { Problem, working } from '../report.mjs';

const RUN = [
  'build-essential',
  'ca-certificates',
  'clang',
  'ffmpeg',
  'libavcodec-dev',
  'libavdevice-dev',
  'libavfilter-dev',
  'libavformat-dev',
  'libavutil-dev',
  'libclang-dev',
  'libpostproc-dev',
  'libswresample-dev',
  'libswscale-dev',
  'pkg-config',
];

/** Packages by purpose: what `npm start` needs, what the tests need on top, a compiler that has Wasm. */
export const packages = {
  run: RUN,
  test: [...RUN, 'chromium', 'chromium-driver', 'firefox-esr', 'fonts-dejavu-core', 'libxml2-utils', 'unzip'],
  wasm: ['cargo-web', 'libstd-rust-web-dev', 'lld-22', 'rust-web-llvm', 'rust-web-src', 'rustc-web'],
};

/** Installs those of `names` that are missing; without root, stops with the one command to run. */
export async function aptInstall(names) {
  if (process.env.HEADGATE_SKIP_APT) return;
  if (!existsSync('/usr/bin/dpkg-query')) {
    throw new Problem(
      'this is not Debian or Ubuntu, so the set-up cannot install the packages it needs',
      `Install what these Debian packages hold, then run this again with HEADGATE_SKIP_APT=1:\n  ${names.join(' ')}`,
    );
  }
  const absent = missing(names);
  if (absent.length === 0) return;
  const options = ['-y', '-q', '-o', 'DPkg::Lock::Timeout=300'];
  const install = [...options, 'install', '--no-install-recommends', ...absent];
  if (process.getuid() !== 0) {
    throw new Problem(
      `${absent.length} Debian packages are missing`,
      `Run this, then start again:\n  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${absent.join(' ')}`,
    );
  }
  await working('apt', `installing ${absent.join(' ')}`, async () => {
    const env = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l' };
    await mustRun('apt-get', [...options, 'update'], { env });
    await mustRun('apt-get', install, { env });
  });
}

function missing(names) {
  // dpkg-query fails when it does not know one of the names, but prints the others all the same.
  const printed = ask('sh', ['-c', 'dpkg-query -W -f "\\${Package} \\${db:Status-Status}\\n" "$@" || true', 'sh', ...names]);
  const installed = new Set(printed.split('\n').filter((line) => line.endsWith(' installed')));
  return names.filter((name) => !installed.has(`${name} installed`));
}
