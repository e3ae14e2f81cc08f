// What a group of views is called: "tv", "cdn-b.example · DE".

import { dimensionName, valueName } from './filters';

export function cohortName(by: Record<string, string>): string {
  return Object.entries(by)
    .map(([dimension, value]) => `${dimensionName(dimension)}: ${valueName(value)}`)
    .join(' · ');
}
