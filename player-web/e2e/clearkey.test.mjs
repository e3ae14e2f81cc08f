// Protected streams with the key system that browsers bring along, ClearKey: real encryption, a licence server that asks for tokens, and
// pictures that are compared. One process for all, so that each stream is made once. What ClearKey cannot show is in drm.test.mjs.

import { after, before, describe } from 'node:test';
import { licences } from './clearkey/licences.mjs';
import { firefox } from './clearkey/firefox.mjs';
import { playback } from './clearkey/playback.mjs';
import { transport } from './clearkey/transport.mjs';
import { startLab } from './support/protected.mjs';

describe('ClearKey', { timeout: 600_000 }, () => {
  const lab = {};
  before(async () => Object.assign(lab, await startLab()));
  after(() => lab.close?.());

  playback(lab);
  licences(lab);
  transport(lab);
  firefox(lab);
});
