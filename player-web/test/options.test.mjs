import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './load.mjs';

const { driverOptions } = await load('options.ts');
const { HeadgateError } = await load('errors.ts');
const { browser, device, system } = await load('surroundings.ts');

const AROUND = { device: 'tv', browser: 'Chrome', os: 'Tizen', network: 'wifi', pageHost: 'a.example' };

test('it reports only with a site key and a collector', () => {
  const beaconUrl = 'https://collector.example/v1/beacons';
  for (const options of [{}, { siteKey: 'k' }, { beaconUrl }, { siteKey: '', beaconUrl }]) {
    assert.deepEqual(driverOptions({ ...options, record: true }, AROUND), { record: true });
  }
  // Storage is the page's business, and cannot be posted to a worker.
  assert.deepEqual(driverOptions({ storage: { getItem() {}, setItem() {} } }, AROUND), {});
  // The driver has it from the player, without tokens.
  assert.deepEqual(driverOptions({ signing: { token: 'secret', refresh() {} } }, AROUND), {});
  const abr = { algorithm: 'bola' };
  assert.deepEqual(driverOptions({ abr, siteKey: 'k', beaconUrl, viewerId: 'v', wasm: '/x.wasm' }, AROUND), {
    abr,
    beaconUrl,
    telemetry: { site: 'k', viewerId: 'v', experiment: undefined, dimensions: [], ...AROUND },
  });
  const experiment = { name: 'abr', arm: 'b', probability: 0.5 };
  const { telemetry } = driverOptions({ siteKey: 'k', beaconUrl, experiment, dimensions: { plan: 'gold', shop: 'eu' } }, AROUND);
  assert.deepEqual(telemetry.experiment, experiment);
  assert.deepEqual(telemetry.dimensions, [
    { name: 'plan', value: 'gold' },
    { name: 'shop', value: 'eu' },
  ]);
});

test('errors have the codes of MediaError', () => {
  const codes = { http: 2, network: 2, signing: 2, timeout: 2, media: 3, segment: 3, quota: 3, internal: 3, manifest: 4, unsupported: 4 };
  for (const [kind, code] of Object.entries(codes)) {
    const error = new HeadgateError(kind, 'text');
    assert.ok(error instanceof Error);
    assert.deepEqual([error.code, error.kind, error.message, error.fatal], [code, kind, 'text', true]);
  }
});

test('user agents become families', () => {
  const agents = [
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36', 'Chrome', 'Windows', 'desktop'],
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0', 'Edge', 'Windows', 'desktop'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'Firefox', 'Linux', 'desktop'],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15', 'Safari', 'macOS', 'desktop'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1', 'Safari', 'iOS', 'phone'],
    ['Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0 Mobile/15E148 Safari/604.1', 'Chrome', 'iOS', 'tablet'],
    ['Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36', 'Chrome', 'Android', 'phone'],
    ['Mozilla/5.0 (Linux; Android 14; SM-X910) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Safari/537.36', 'Samsung Internet', 'Android', 'tablet'],
    ['Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 Safari/537.36 WebAppManager', 'Chrome', 'webOS', 'tv'],
    ['curl/8.5.0', '', '', 'desktop'],
  ];
  for (const [agent, ...expected] of agents) {
    assert.deepEqual([browser(agent), system(agent), device(agent)], expected, agent);
  }
});
