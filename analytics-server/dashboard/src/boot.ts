// Blocks the first paint, shortly: without it a page would be light before it is dark.

import { apply } from './theme';

apply();
