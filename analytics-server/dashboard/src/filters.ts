// Conditions on dimensions, in the words of `/v1/query`: `device:eq:tv`, `country:nin:DE,AT`, `dim.plan:exists`.

export interface Filter {
  dimension: string;
  test: 'in' | 'nin' | 'exists';
  values: string[];
}

/** Reads one; what is none is undefined. */
export function parseFilter(text: string): Filter | undefined {
  const [, dimension = '', test = '', rest] = /^([a-z_]+(?:\.[^:]+)?):(eq|ne|in|nin|exists)(?::(.*))?$/s.exec(text) ?? [];
  if (!dimension || (rest === undefined) !== (test === 'exists')) return undefined;
  switch (test) {
    case 'exists':
      return { dimension, test, values: [] };
    case 'eq':
    case 'ne':
      return { dimension, test: test === 'eq' ? 'in' : 'nin', values: [rest ?? ''] };
    default:
      return { dimension, test: test as 'in' | 'nin', values: list(rest ?? '') };
  }
}

export function parseFilters(texts: readonly string[]): Filter[] {
  return texts.map(parseFilter).filter((filter) => filter !== undefined);
}

export function filterText({ dimension, test, values }: Filter): string {
  if (test === 'exists') return `${dimension}:exists`;
  const [value] = values;
  if (values.length === 1 && value !== undefined) return `${dimension}:${test === 'in' ? 'eq' : 'ne'}:${value}`;
  return `${dimension}:${test}:${values.map((one) => one.replace(/[\\,]/g, '\\$&')).join(',')}`;
}

/** A filter more; one of the same dimension that it contradicts or repeats is replaced. */
export function withFilter(filters: readonly Filter[], added: Filter): Filter[] {
  return [...filters.filter(({ dimension, test }) => dimension !== added.dimension || (test === 'nin') !== (added.test === 'nin')), added];
}

/** What a value is called: the empty string is what is not known. */
export function valueName(value: string): string {
  return value === '' ? '(not known)' : value;
}

/** For people: "device is tv or phone". */
export function describe({ dimension, test, values }: Filter): string {
  const name = dimensionName(dimension);
  if (test === 'exists') return `${name} is known`;
  return `${name} ${test === 'in' ? 'is' : 'is not'} ${values.map(valueName).join(' or ')}`;
}

const NAMES: Record<string, string> = {
  abr: 'ABR',
  arm: 'Experiment arm',
  cdn_host: 'CDN host',
  error: 'Error kind',
  os: 'OS',
  page_host: 'Page host',
  stream_type: 'Stream type',
  video_id: 'Video id',
  video_title: 'Video',
};

export function dimensionName(name: string): string {
  return NAMES[name] ?? (name.startsWith('dim.') ? name : name.charAt(0).toUpperCase() + name.slice(1));
}

function list(text: string): string[] {
  const values = [''];
  for (let at = 0; at < text.length; at += 1) {
    const letter = text.charAt(at);
    if (letter === ',') values.push('');
    else values[values.length - 1] += letter === '\\' ? text.charAt((at += 1)) : letter;
  }
  return values;
}
