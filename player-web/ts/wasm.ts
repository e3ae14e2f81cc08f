// Loads the engine: once a page, when the first player needs it, never at import.

import init, { Driver } from '../pkg/player_web.js';
import { compile } from './compile.js';
import { HeadgateError } from './errors.js';
import type { WasmSource } from './options.js';

const ADVICE = 'serve `player.wasm` of the package headgate there, or say where it is with `wasm` or `wasm-url`';

let loading: { source?: WasmSource; driver: Promise<typeof Driver> } | undefined;
let loaded = false;

/** Whether the engine is there already. */
export function isLoaded(): boolean {
  return loaded;
}

/** The driver's class, once its Wasm runs. */
export function loadDriver(source?: WasmSource): Promise<typeof Driver> {
  if (loading && (loaded || loading.source === source)) return loading.driver;
  // What another player is about to load will do, but why it could not be loaded is not this one's affair.
  const load = () => instantiate(source);
  const driver = (loading ? loading.driver.catch(load) : load()).catch((error: unknown) => {
    // The next player may try again.
    if (loading?.driver === driver) loading = undefined;
    throw new HeadgateError('internal', error instanceof Error ? error.message : String(error));
  });
  loading = { source, driver };
  return driver;
}

async function instantiate(source?: WasmSource): Promise<typeof Driver> {
  // This literal, one level deep, is what bundlers look for.
  const module = await compile(source || new URL('./player.wasm', import.meta.url), ADVICE);
  await init({ module_or_path: module });
  loaded = true;
  return Driver;
}
