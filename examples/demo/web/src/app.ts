// The demo: the player, and beside it what the engine is doing.

import 'media-chrome';
import 'media-chrome/menu';
import 'headgate/element';
import type { DrmOptions, HeadgateError } from 'headgate';
import type { HeadgateVideoElement } from 'headgate/element';
import { Chart } from './chart.js';
import { networkState, setThrottle, throttles, type ShapeState } from './network.js';
import { Panel } from './panel.js';
import { View } from './view.js';

/** What the server says of the video: `demo.json`. */
interface Demo extends Addresses {
  title: string;
  /** The same, encrypted. */
  protected: Addresses;
  /** The licence server, and the application's own server, which says what a viewer may see. */
  licence_url: string;
  entitlement_url: string;
  site_key: string;
  beacon_url: string;
}

interface Addresses {
  hls: string;
  dash: string;
}

type Protocol = 'hls' | 'dash';
/** What the viewer may see of the encrypted video; `clear` is the other one. */
type Protection = 'clear' | 'full' | 'sd' | 'none';

const TICK_MS = 500;

const video = element<HeadgateVideoElement>('video');
const toolbar = element<HTMLFormElement>('toolbar');
const throttle = element<HTMLSelectElement>('throttle');
const protection = element<HTMLSelectElement>('protection');
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
  const asked = query.get('protection');
  if ([...protection.options].some(({ value }) => value === asked)) protection.value = asked as Protection;
  load(demo);

  toolbar.addEventListener('submit', (event) => event.preventDefault());
  toolbar.addEventListener('change', (event) => {
    const { name, value } = event.target as HTMLInputElement | HTMLSelectElement;
    remember(name, value);
    if (name === 'protocol' || name === 'protection') load(demo);
    if (name === 'throttle') applyThrottle(value).catch((error: Error) => say(error.message));
  });
  video.addEventListener('headgate-loaded', ({ detail }) => {
    chart.ladderKbps = Math.max(...detail.renditions.map(({ bitrate }) => bitrate)) / 1000;
  });
  video.addEventListener('error', () => {
    const { title, message } = explain();
    element('error-title').textContent = title;
    for (const text of document.querySelectorAll('.error-text')) text.textContent = message;
  });
  setInterval(tick, TICK_MS);
}

function load(demo: Demo): void {
  const protocol: Protocol = radio('dash').checked ? 'dash' : 'hls';
  const right = protection.value as Protection;
  const url = (right === 'clear' ? demo : demo.protected)[protocol];
  video.drm = right === 'clear' ? undefined : licences(demo, right);
  panel.begin(url);
  view.begin(video.autoplay || !video.paused);
  // Another right to the same video.
  if (video.getAttribute('src') === url) video.load();
  else video.src = url;
}

/** As an application does it: its own server gives the viewer a token that lives for minutes, and the licence server believes that. */
function licences(demo: Demo, right: Protection): DrmOptions {
  return {
    servers: { 'org.w3.clearkey': new URL(demo.licence_url, location.href).href },
    requestTransform: async (request) => {
      const response = await fetch(demo.entitlement_url, { method: 'POST', body: right });
      if (!response.ok) throw new Error(`the demo gives no entitlement (status ${response.status})`);
      request.headers.Authorization = `Bearer ${await response.text()}`;
    },
  };
}

/** In the words of this application where it knows better. */
function explain(): { title: string; message: string } {
  const error = video.error as HeadgateError | null;
  if (error?.drm?.kind === 'request-http' && error.drm.status === 403) {
    const message = 'You have no right to watch this video: the licence server refused the key. Choose another protection below.';
    return { title: 'Not in your subscription', message };
  }
  const title = error?.kind === 'drm' ? 'The key to this video is missing' : 'This cannot be played';
  return { title, message: error?.message ?? '' };
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
