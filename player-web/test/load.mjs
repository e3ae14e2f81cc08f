import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** A module of ts/ with what it imports, as Node can load it. Each call makes a new instance. */
export async function load(name) {
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(new URL('..', import.meta.url)),
    entryPoints: [`ts/${name}`],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
  });
  return import(`data:text/javascript,${encodeURIComponent(`${outputFiles[0].text}\n//${Math.random()}`)}`);
}
