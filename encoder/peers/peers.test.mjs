// One process for all, so that each stream is made once.

import './manifests.mjs';
import './players.mjs';
import './live.mjs';
