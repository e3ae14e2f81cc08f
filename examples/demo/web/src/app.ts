// The demo: the player, and beside it what the engine is doing.

import 'media-chrome';
import 'media-chrome/menu';
import 'headgate/element';
import type { HeadgateVideoElement } from 'headgate/element';
import { Chart } from './chart.js';
import { networkState, setThrottle, throttles, type ShapeState } from './network.js';
import { Panel } from './panel.js';
import { View } from './view.js';

/** What the server says of the video: `demo.json`. */
interface Demo {
  title: string;
  hls: string;
  dash: string;
  site_key: string;
  beacon_url: string;
}

type Protocol = 'hls' | 'dash';

const TICK_MS = 500;

const video = element<HeadgateVideoElement>('video');
const toolbar = element<HTMLFormElement>('toolbar');
const throttle = element<HTMLSelectElement>('throttle');
const hint = element('hint');
const panel = new Panel(video);
const view = new View(video);
const chart = new Chart(element<HTMLCanvasElement>('chart'));
let network: ShapeState | null = null;

await start().catch((error: unknown) => say(error instanceof Error ? error.message : String(error)));

async function start(): Promise<void> {
  const response = await fetch('demo.json');
  if (!response.ok) throw new Error(`the demo does not say what to play (status ${response.status}): is it still running?`);
  const demo = (await response.json()) as Demo;
  element('title').textContent = demo.title;
  document.title = `${demo.title} · Headgate demo`;

  const query = new URLSearchParams(location.search);
  for (const [name, { label }] of Object.entries(throttles)) throttle.add(new Option(label, name));
  const wanted = query.get('throttle');
  network = await networkState();
  if (wanted && wanted in throttles) await applyThrottle(wanted);
  else showThrottle(network?.name ?? 'none');

  // To watch adaptation by: a buffer so short that a changed network shows within seconds, and every rung for any window.
  video.config = { buffer: { goalS: 12 }, abr: { capToElementSize: false } };
  video.setAttribute('beacon-url', demo.beacon_url);
  video.setAttribute('site-key', demo.site_key);
  video.setAttribute('video-title', demo.title);
  const protocol: Protocol = query.get('protocol') === 'dash' ? 'dash' : 'hls';
  radio(protocol).checked = true;
  load(demo[protocol]);

  toolbar.addEventListener('submit', (event) => event.preventDefault());
  toolbar.addEventListener('change', (event) => {
    const { name, value } = event.target as HTMLInputElement | HTMLSelectElement;
    remember(name, value);
    if (name === 'protocol') load(demo[value as Protocol]);
    if (name === 'throttle') applyThrottle(value).catch((error: Error) => say(error.message));
  });
  video.addEventListener('headgate-loaded', ({ detail }) => {
    chart.ladderKbps = Math.max(...detail.renditions.map(({ bitrate }) => bitrate)) / 1000;
  });
  video.addEventListener('error', () => {
    for (const text of document.querySelectorAll('.error-text')) text.textContent = video.error?.message ?? '';
  });
  setInterval(tick, TICK_MS);
}

function load(url: string): void {
  panel.begin(url);
  view.begin(video.autoplay || !video.paused);
  video.src = url;
}

function tick(): void {
  const { stats, rendition } = video.api;
  panel.update(view);
  chart.add({
    at: performance.now(),
    renditionKbps: rendition && rendition.bitrate / 1000,
    estimateKbps: stats?.throughput ? stats.throughput / 1000 : null,
    networkKbps: network?.bandwidth_kbps ?? null,
    bufferS: panel.bufferS,
  });
  if (network) void refresh();
}

async function refresh(): Promise<void> {
  // A missed answer leaves the last one standing; the next comes in half a second.
  network = await networkState().catch(() => network);
}

async function applyThrottle(name: string): Promise<void> {
  await setThrottle(name);
  network = await networkState();
  showThrottle(name);
  panel.log('network', throttles[name]?.label ?? name);
}

function showThrottle(name: string): void {
  // Somebody else has set it, by another way than this page.
  if (!(name in throttles)) throttle.add(new Option(name, name));
  throttle.value = name;
  say(throttles[name]?.hint ?? '');
}

function say(text: string): void {
  hint.textContent = text;
}

/** So that a reload and a copied address show the same. */
function remember(name: string, value: string): void {
  const url = new URL(location.href);
  url.searchParams.set(name, value);
  history.replaceState(null, '', url);
}

function radio(protocol: Protocol): HTMLInputElement {
  return toolbar.querySelector(`input[value=${protocol}]`) as HTMLInputElement;
}

function element<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}
