// Metrics to choose from, as the server knows them.

import { definitions } from './api';
import { GROUPS, metricName, VIEWERS } from './metrics';
import type { Option } from './picker';

export async function metricOptions(withViewers: boolean): Promise<Option[]> {
  const { metrics } = await definitions();
  const known = new Set(metrics.map(({ name }) => name));
  if (withViewers) known.add(VIEWERS.name);
  const options: Option[] = [];
  for (const [group, names] of GROUPS) {
    for (const name of names) if (known.delete(name)) options.push({ value: name, label: metricName(name), hint: name, group });
  }
  if (!withViewers) known.delete(VIEWERS.name);
  // Metrics of a newer server.
  for (const name of known) options.push({ value: name, label: metricName(name), group: 'Others' });
  return options;
}

