// Metrics to choose from, as the server knows them.

import { definitions } from './api';
import { GROUPS, metricName, VIEWERS } from './metrics';
import type { Option } from './picker';
import { isSum } from './trends-data';

/** All; those of `/v1/query`; or of those, what says how good it was, whatever the number of views. */
export async function metricOptions(which: 'all' | 'asked' | 'quality'): Promise<Option[]> {
  const { metrics } = await definitions();
  const wanted = metrics.filter(({ name, better }) => which !== 'quality' || (better !== 'neither' && !isSum(name)));
  const known = new Set(wanted.map(({ name }) => name));
  if (which === 'all') known.add(VIEWERS.name);
  const options: Option[] = [];
  for (const [group, names] of GROUPS) {
    for (const name of names) if (known.delete(name)) options.push({ value: name, label: metricName(name), hint: name, group });
  }
  // Metrics of a newer server.
  for (const name of known) options.push({ value: name, label: metricName(name), group: 'Others' });
  return options;
}

