// `headgate/element`: registers <headgate-video>. The only entry with a side effect.

import { HeadgateVideoElement } from './headgate-video.js';

export { HeadgateVideoElement };
export type { HeadgateVideoEventMap } from './headgate-video.js';

// Absent when rendering on a server; twice when two bundles of a page hold this.
if (globalThis.customElements && !customElements.get('headgate-video')) {
  customElements.define('headgate-video', HeadgateVideoElement);
}

declare global {
  interface HTMLElementTagNameMap {
    'headgate-video': HeadgateVideoElement;
  }
}
