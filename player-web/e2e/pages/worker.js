// The driver in a worker: messages are all that it needs.

import init, { Driver } from '/pkg/player_web.js';

const queue = [];
self.onmessage = ({ data }) => queue.push(data);
await init({ module_or_path: new URL('/headgate/player.wasm', location.href) });
const driver = new Driver({}, (message, transfer) => self.postMessage(message, transfer));
self.onmessage = ({ data }) => driver.handle(data);
for (const message of queue) driver.handle(message);
