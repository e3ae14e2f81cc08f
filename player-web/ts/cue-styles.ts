// The colours of WebVTT's classes (8.2, default CSS extensions), which browsers do not have of their own. Captions and TTML are told with them.

const COLORS = { white: 'fff', lime: '0f0', cyan: '0ff', red: 'f00', yellow: 'ff0', magenta: 'f0f', blue: '00f', black: '000' };

/** In a layer, so that whatever the page says wins. */
const rules = () =>
  Object.entries(COLORS).map(([name, color]) => `::cue(.${name}){color:#${color}}::cue(.bg_${name}){background:#${color}}`);

/** The documents and shadow roots that have it. */
const styled = new WeakSet<Node>();

/** Lets the cues of a video have their colours. (A sheet of this kind is none that a Content-Security-Policy forbids.) */
export function styleCues(video: HTMLVideoElement): void {
  const root = video.getRootNode?.();
  const view = video.ownerDocument.defaultView;
  if (!root || !view || styled.has(root) || !('adoptedStyleSheets' in root)) return;
  styled.add(root);
  const sheet = new view.CSSStyleSheet();
  sheet.replaceSync(`@layer headgate{${rules().join('')}}`);
  (root as Document | ShadowRoot).adoptedStyleSheets.push(sheet);
}
