'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const { algorithms, families, reference } = data;
  const $ = (id) => document.getElementById(id);

  // ---- elements -------------------------------------------------------------------------------------------------------------

  /** Names are only ever put into text and attributes that are not run. */
  function make(space, tag, attributes, children) {
    const element = space ? document.createElementNS(space, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? '' : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }
  const html = (tag, attributes, ...children) => make(null, tag, attributes, children);
  const svg = (tag, attributes, ...children) => make('http://www.w3.org/2000/svg', tag, attributes, children);

  // ---- numbers --------------------------------------------------------------------------------------------------------------

  const fixed = (value, decimals) =>
    value === null || value === undefined || Number.isNaN(value) ? '–' : value.toFixed(decimals).replace(/^-(?=.*[1-9])/, '−').replace(/^-/, '');
  const percent = (value, decimals = 0) => (value === null || value === undefined ? '–' : `${fixed(value * 100, decimals)} %`);
  const clock = (s) => `${Math.floor(Math.max(s, 0) / 60)}:${String(Math.floor(Math.max(s, 0) % 60)).padStart(2, '0')}`;
  function rate(kbps) {
    if (kbps === null || kbps === undefined) return '–';
    if (kbps < 1000) return `${fixed(kbps, 0)} kbit/s`;
    const mbps = kbps / 1000;
    return `${fixed(mbps, mbps < 10 ? 2 : mbps < 100 ? 1 : 0)} Mbit/s`;
  }
  const plural = (n, noun, many = `${noun}s`) => `${n} ${n === 1 ? noun : many}`;

  /** Round numbers from `low` to `high`, at most about `most` of them. */
  function ticks(low, high, most) {
    const raw = (high - low) / Math.max(most, 1);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999) ?? raw;
    const all = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-6; i += 1) all.push(i * step);
    return all;
  }
  function timeTicks(low, high, most) {
    const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600].find((s) => (high - low) / s <= most) ?? 7200;
    const all = [];
    for (let t = Math.ceil(low / step) * step; t <= high; t += step) all.push(t);
    return all;
  }

  // ---- colours --------------------------------------------------------------------------------------------------------------

  const COLOURS = 8;
  const DASHES = ['', '7 3', '2 3', '9 3 2 3'];
  /** A colour for each algorithm that is shown; it keeps it until it is hidden. */
  const slots = new Map();
  function give(a) {
    const taken = new Set(slots.values());
    let slot = 0;
    while (taken.has(slot)) slot += 1;
    slots.set(a, slot);
  }
  /** The reference is drawn in the colour of the text: it is no competitor. */
  function colour(a) {
    if (a === reference) return 'var(--reference)';
    return slots.has(a) ? `var(--c${slots.get(a) % COLOURS})` : 'var(--muted-bar)';
  }
  const dash = (a) => (a === reference ? '4 3' : DASHES[Math.floor((slots.get(a) ?? 0) / COLOURS) % DASHES.length]);
  const swatch = (a) =>
    svg('svg', { class: 'swatch', width: 20, height: 10, 'aria-hidden': 'true' },
      svg('line', { x1: 1, x2: 19, y1: 5, y2: 5, 'stroke-width': 3, 'stroke-dasharray': dash(a), style: `stroke:${colour(a)}` }));

  const value = (figures) => (!figures ? null : reference === null ? figures.qoe : figures.share);
  /** Algorithms by their overall mean, the best first. */
  const ranked = [...algorithms.keys()].sort((a, b) => (value(algorithms[b].mean) ?? -Infinity) - (value(algorithms[a].mean) ?? -Infinity));
  /** Those that know the network in advance are no competitors. */
  const competes = (a) => a !== reference && !/^(optimal|oracle-\d+)(\+ab)?$/.test(algorithms[a].name);
  const shown = new Set(algorithms.length <= 6 ? algorithms.keys() : [[...algorithms.keys()].find(competes) ?? 0, ...ranked.filter(competes).slice(0, 4)]);
  if (reference !== null) shown.add(reference);
  for (const a of shown) if (a !== reference) give(a);
  const listed = () => [...algorithms.keys()].filter((a) => shown.has(a));

  // ---- head -----------------------------------------------------------------------------------------------------------------

  const counted = families.reduce((sum, [, n]) => sum + n, 0);
  const referenceName = reference === null ? null : algorithms[reference].name;
  $('lead').textContent = `${plural(algorithms.length, 'algorithm')} on ${plural(counted, 'network trace')} of ${plural(families.length, 'family', 'families')}.`;
  for (const [name, value] of data.settings) $('settings').append(html('div', {}, html('dt', {}, name), html('dd', {}, value)));
  for (const [name, about] of data.about) $('about').append(html('dt', {}, name), html('dd', {}, about));

  // ---- bars -----------------------------------------------------------------------------------------------------------------

  const show = (v) => (reference === null ? fixed(v, 3) : percent(v, 1));
  $('score-title').textContent = reference === null ? 'Mean QoE by network family' : `Share of ${referenceName}’s QoE by network family`;
  $('score-text').textContent = reference === null
    ? 'What share of the optimum this is, is not known: add “optimal” to --algorithms to have it computed.'
    : `100 % is what ${referenceName} scores on the same traces. A family’s share is the quotient of two means; the overall figure is the mean of the families’ shares.`;

  /** One scale for all bars; what is far below zero is cut. */
  const order = ranked.filter((a) => a !== reference);
  const barValues = order.flatMap((a) => [...algorithms[a].families, algorithms[a].mean].map(value)).filter((v) => v !== null);
  const low = Math.min(0, Math.max(Math.min(...barValues), -0.25));
  const high = Math.max(reference === null ? 1e-6 : 1, ...barValues);
  const at = (v) => (100 * (Math.min(Math.max(v, low), high) - low)) / (high - low);

  function barTable(title, more, pick) {
    const all = order.map((a) => [a, value(pick(algorithms[a]))]).filter(([, v]) => v !== null);
    if (all.length === 0) return null;
    const best = Math.max(...all.filter(([a]) => competes(a)).map(([, v]) => v));
    const rows = all.map(([a, v]) => {
      const [from, to] = [at(Math.min(v, 0)), at(Math.max(v, 0))];
      const track = html('div', { class: 'track' },
        html('i', { style: `left:${from}%;width:${Math.max(to - from, 0.4)}%;background:${colour(a)}`, 'data-a': a }),
        low < 0 && html('b', { style: `left:${at(0)}%` }), reference !== null && high > 1 && html('b', { style: `left:${at(1)}%` }));
      return html('tr', { class: v === best && competes(a) ? 'best' : null },
        html('th', { scope: 'row' }, algorithms[a].name), html('td', { class: 'bar', 'aria-hidden': 'true' }, track), html('td', { class: 'value' }, show(v)));
    });
    return html('table', {}, html('caption', {}, `${title} `, html('span', {}, more)), html('tbody', {}, ...rows));
  }
  function drawBars() {
    const panels = families.map(([name, n], f) => barTable(name, plural(n, 'trace'), (a) => a.families[f]));
    const wide = families.length > 1 ? barTable('All families', `mean of ${families.length}`, (a) => a.mean) : null;
    $('bars').replaceChildren(...[wide && html('div', { class: 'wide' }, wide), ...panels].filter(Boolean));
  }
  function colourBars() {
    for (const bar of document.querySelectorAll('.track i')) {
      bar.style.background = colour(Number(bar.dataset.a));
    }
  }

  // ---- filter ---------------------------------------------------------------------------------------------------------------

  for (const [a, algorithm] of algorithms.entries()) {
    const box = html('input', { type: 'checkbox', checked: shown.has(a) });
    const sample = html('span', {}, swatch(a));
    box.addEventListener('change', () => {
      if (box.checked) {
        shown.add(a);
        if (a !== reference) give(a);
      } else {
        shown.delete(a);
        slots.delete(a);
      }
      sample.replaceChildren(swatch(a));
      colourBars();
      drawSpread();
      drawSession();
    });
    $('chips').append(html('label', {}, box, sample, algorithm.name));
  }

  // ---- scales and axes ------------------------------------------------------------------------------------------------------

  const scale = (low, high, from, to, bend = (v) => v) => {
    const [l, h] = [bend(low), bend(high)];
    return (v) => from + ((bend(v) - l) / (h - l || 1)) * (to - from);
  };
  const path = (points) => points.map(([x, y], i) => `${i ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
  const widthOf = (element) => Math.max(Math.floor(element.getBoundingClientRect().width), 240);

  // ---- distributions --------------------------------------------------------------------------------------------------------

  const LEAST_RATIO = 0.001;
  const METRICS = [
    { title: 'QoE', short: '', unit: 'QoE per segment', get: (row) => row[0], text: (v) => fixed(v, 2), decimals: 3,
      domain: (values) => [Math.min(0, Math.max(Math.min(...values), -0.5)), Math.max(...values, 0.1)],
      marks: (low, high, n) => ticks(low, high, n), left: 'starts at −0.5: what is below is not drawn' },
    { title: 'Stalls', short: '%', unit: 'time without pictures after the start, % of the content (log scale)', get: (row) => row[2] * 100, text: (v) => String(Number(v.toFixed(2))), decimals: 2,
      bend: (v) => Math.log1p(v / (LEAST_RATIO * 100)),
      domain: (values) => [0, Math.max(...values, 1)],
      marks: (low, high) => [0, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000].filter((v) => v <= high) },
    { title: 'Bitrate', short: 'Mbit/s', unit: 'mean bitrate, Mbit/s (log scale)', get: (row) => row[1] / 1000, text: (v) => String(Number(v.toPrecision(3))), decimals: 2,
      bend: (v) => Math.log(v),
      domain: (values) => [Math.max(Math.min(...values), 0.001) * 0.95, Math.max(...values, 0.002) * 1.05],
      marks: (low, high) => {
        const all = [];
        for (let p = -3; p <= 6; p += 1) for (const m of [1, 2, 5]) all.push(m * 10 ** p);
        const inside = all.filter((v) => v >= low && v <= high);
        return inside.length > 1 ? inside : ticks(low, high, 3);
      } },
  ];
  $('family').append(html('option', { value: '' }, `all ${families.length} (${plural(counted, 'trace')})`),
    ...families.map(([name, n], f) => html('option', { value: f }, `${name} (${plural(n, 'trace')})`)));
  if (families.length === 1) $('family').value = '0';
  $('family').addEventListener('change', () => drawSpread());

  const chosenTraces = () => data.traces.filter((t) => t.counts && ($('family').value === '' || t.family === Number($('family').value)));
  const sorted = (metric, a, traces) => traces.filter((t) => t.rows[a]).map((t) => metric.get(t.rows[a])).sort((x, y) => x - y);
  /** Nearest rank. */
  const quantile = (values, p) => values[Math.max(Math.ceil(p * values.length) - 1, 0)];

  function drawSpread() {
    const traces = chosenTraces();
    $('spread').replaceChildren();
    for (const metric of METRICS) cdf(metric, traces);
    drawQuantiles(traces);
  }

  function cdf(metric, traces) {
    const lines = listed().map((a) => [a, sorted(metric, a, traces)]).filter(([, values]) => values.length > 0);
    const figure = html('figure', {}, html('figcaption', {}, metric.title));
    $('spread').append(figure);
    if (lines.length === 0) {
      figure.append(html('p', { class: 'note' }, 'No algorithm is chosen.'));
      return;
    }
    const width = widthOf(figure);
    const [height, left, right, top, bottom] = [250, 40, 14, 8, 46];
    const [low, high] = metric.domain(lines.flatMap(([, values]) => values));
    const x = scale(low, high, left, width - right, metric.bend);
    const y = scale(0, 1, height - bottom, top);
    const root = svg('svg', { viewBox: `0 0 ${width} ${height}`, height, role: 'img',
      'aria-label': `${metric.title}: cumulative distribution over ${plural(traces.length, 'trace')} for ${lines.map(([a]) => algorithms[a].name).join(', ')}; the table below has the values` });
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      root.append(svg('line', { class: share ? 'grid' : 'axis', x1: left, x2: width - right, y1: y(share), y2: y(share) }),
        svg('text', { x: left - 6, y: y(share) + 4, 'text-anchor': 'end' }, share === 1 ? '100 %' : `${share * 100}`));
    }
    let free = -Infinity;
    for (const mark of metric.marks(low, high, Math.floor(width / 52))) {
      const text = metric.text(mark).replace('-', '−');
      const half = text.length * 3.4 + 4;
      root.append(svg('line', { class: 'grid', x1: x(mark), x2: x(mark), y1: top, y2: height - bottom }));
      if (x(mark) - half < free || x(mark) + half > width + 2) continue;
      free = x(mark) + half;
      root.append(svg('text', { x: x(mark), y: height - bottom + 16, 'text-anchor': 'middle' }, text));
    }
    root.append(svg('text', { class: 'title', x: (left + width - right) / 2, y: height - 8, 'text-anchor': 'middle' },
      metric.unit.length * 5.9 > width - 20 ? metric.unit.replace(' after the start', '').replace(' of the content', '') : metric.unit));
    for (const [a, values] of lines) {
      const points = [];
      values.forEach((v, i) => {
        const at = Math.max(v, low);
        if (v < low && values[i + 1] < low) return;
        points.push([x(at), y(v < low ? (i + 1) / values.length : i / values.length)], [x(at), y((i + 1) / values.length)]);
      });
      points.push([width - right, y(1)]);
      root.append(svg('path', { class: 'series', d: path(points), 'stroke-dasharray': dash(a), style: `stroke:${colour(a)}` }));
    }
    const cross = svg('line', { class: 'cross', y1: top, y2: height - bottom, visibility: 'hidden' });
    root.append(cross);
    const tip = html('div', { class: 'tip', hidden: true, 'aria-hidden': 'true' });
    figure.append(root, tip);
    const hide = () => {
      tip.hidden = true;
      cross.setAttribute('visibility', 'hidden');
    };
    root.addEventListener('pointerleave', hide);
    root.addEventListener('pointermove', (event) => {
      const box = root.getBoundingClientRect();
      const px = ((event.clientX - box.left) / box.width) * width;
      if (px < left || px > width - right) {
        hide();
        return;
      }
      // The inverse of the scale, by halving.
      let [a, b] = [low, high];
      for (let i = 0; i < 40; i += 1) {
        const middle = (a + b) / 2;
        if (x(middle) < px) a = middle;
        else b = middle;
      }
      cross.setAttribute('x1', px);
      cross.setAttribute('x2', px);
      cross.setAttribute('visibility', 'visible');
      tip.replaceChildren(html('table', {}, html('caption', {}, `at most ${fixed(a, metric.decimals)} ${metric.short}`),
        ...lines.map(([n, values]) => html('tr', {}, html('td', {}, swatch(n), ` ${algorithms[n].name}`),
          html('td', {}, percent(values.filter((v) => v <= a + 1e-9).length / values.length))))));
      tip.hidden = false;
      const offset = px > width / 2 ? px - tip.offsetWidth - 12 : px + 12;
      tip.style.left = `${Math.min(Math.max(offset, 0), Math.max(width - tip.offsetWidth, 0))}px`;
      tip.style.top = `${top + 20}px`;
    });
  }

  function drawQuantiles(traces) {
    const parts = [['worst tenth', 0.1], ['quarter', 0.25], ['median', 0.5], ['three quarters', 0.75], ['nine tenths', 0.9]];
    const tables = METRICS.map((metric) => {
      const rows = listed().map((a) => [a, sorted(metric, a, traces)]).filter(([, values]) => values.length > 0);
      return grid(`${metric.title}: ${metric.unit.replace(' (log scale)', '')}`, ['Algorithm', '10 % at most', '25 %', 'median', '75 %', '90 %'],
        rows.map(([a, values]) => [algorithms[a].name, ...parts.map(([, p]) => fixed(quantile(values, p), metric.decimals))]));
    });
    $('quantiles').replaceChildren(...tables);
  }

  // ---- tables ---------------------------------------------------------------------------------------------------------------

  function grid(caption, heads, rows, options = {}) {
    const cell = (content, column, row) => {
      if (column === 0) return html('th', { scope: 'row' }, content);
      const attributes = { class: [options.best?.(row, column) && 'best', options.split?.includes(column) && 'split'].filter(Boolean).join(' ') || null, style: options.style?.(row, column) };
      return html('td', attributes, content);
    };
    const column = (head, i) => html('th', { scope: 'col', class: options.split?.includes(i) ? 'split' : null }, head);
    const table = html('table', { class: 'figures', 'aria-label': caption },
      html('thead', {}, html('tr', {}, ...heads.map(column))),
      html('tbody', {}, ...rows.map((row, r) => html('tr', {}, ...row.map((content, c) => cell(content, c, r))))));
    const scroll = html('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption }, table);
    return options.bare ? scroll : html('div', {}, html('p', { class: 'caption' }, caption), scroll);
  }

  const FIGURES = [
    { name: 'QoE', get: (f) => f.qoe, decimals: 3, more: true },
    reference !== null && { name: `share of ${referenceName}, %`, get: (f) => (f.share === null ? null : f.share * 100), decimals: 1, more: true },
    { name: 'stalls, % of the content', short: 'stalls, %', get: (f) => f.rebuffer * 100, decimals: 2, more: false },
    { name: 'bitrate, Mbit/s', get: (f) => f.kbps / 1000, decimals: 2, more: true },
    { name: 'start-up, s', get: (f) => f.startup, decimals: 2, more: false },
    { name: 'switches per segment', get: (f) => f.switches, decimals: 3, more: false },
    { name: 'requests given up per session', short: 'given up per session', get: (f) => f.abandoned, decimals: 1 },
  ].filter(Boolean);
  $('figure').append(...FIGURES.map((figure, i) => html('option', { value: i }, figure.name)));
  $('figure').addEventListener('change', () => drawTable());

  /** Columns of numbers by algorithm, the best of each in bold. */
  function columnsGrid(caption, columns) {
    const rows = algorithms.map((a) => columns.map((column) => column.of(a)));
    const best = columns.map(({ more }, c) => {
      const values = rows.filter((row, a) => competes(a) && row[c] !== null).map((row) => row[c]);
      const [least, most] = [Math.min(...values), Math.max(...values)];
      return more === undefined || least === most ? null : more ? most : least;
    });
    return grid(caption, ['Algorithm', ...columns.map((column) => column.head)],
      rows.map((row, a) => [algorithms[a].name, ...row.map((v, c) => fixed(v, columns[c].decimals))]),
      { bare: true, split: columns.flatMap((column, c) => (column.split ? [c + 1] : [])), best: (r, c) => competes(r) && rows[r][c - 1] !== null && rows[r][c - 1] === best[c - 1] });
  }
  function drawMeans() {
    $('means-text').textContent = `${families.length > 1 ? `Means over ${families.length} families, each of which is the mean over its traces` : 'Means over the traces'}. Bold: the best${ranked.every(competes) ? '' : ' of those that do not know the network in advance'}. Decisions are timed over all sessions, in time of a core.`;
    $('means').append(columnsGrid('Means by algorithm', [
      ...FIGURES.map((f) => ({ head: f.short ?? f.name, of: (a) => (a.mean ? f.get(a.mean) : null), decimals: f.decimals, more: f.more })),
      { head: 'decision, µs (median)', of: (a) => a.decision_us[0], decimals: 1, split: true },
      { head: '99th percentile', of: (a) => a.decision_us[1], decimals: 1 },
    ]));
  }
  function drawTable() {
    const f = FIGURES[Number($('figure').value)];
    const number = (figures) => (figures ? f.get(figures) : null);
    const columns = families.map(([name], i) => ({ head: name, of: (a) => number(a.families[i]), decimals: f.decimals, more: f.more }));
    if (families.length > 1) columns.push({ head: 'mean', of: (a) => number(a.mean), decimals: f.decimals, more: f.more, split: true });
    $('table').replaceChildren(columnsGrid(`${f.name} by family`, columns));
  }

  function drawAhead() {
    if (algorithms.length < 2) {
      for (const element of [$('ahead-title'), $('ahead-title').nextElementSibling]) element.hidden = true;
      return;
    }
    $('ahead').append(grid('Share of the traces on which the algorithm of the line is ahead of that of the column',
      ['Ahead of …', ...algorithms.map((a) => a.name)],
      data.ahead.map((row, a) => [algorithms[a].name, ...row.map((share) => percent(share))]),
      { bare: true, style: (r, c) => (data.ahead[r][c - 1] === null ? null : `background:rgb(var(--heat) / ${(data.ahead[r][c - 1] * 0.42).toFixed(3)})`) }));
  }

  function drawApart() {
    if (data.apart.length === 0) return;
    $('apart').append(html('h3', {}, 'Left out above'),
      html('p', { class: 'note' }, `On ${plural(data.apart.length, 'trace')} ${referenceName} itself scores at most ${data.least_reference_qoe}, or came to no result; a share of that says nothing.`),
      grid('Mean QoE on these traces', ['Algorithm', 'QoE'], algorithms.map((a, i) => [a.name, fixed(data.apart_qoe[i], 3)])),
      html('details', {}, html('summary', {}, 'Which traces they are'),
        html('ul', { class: 'names' }, ...data.apart.map(([f, name]) => html('li', {}, `${families[f][0]} / ${name}`)))));
  }

  // ---- one trace ------------------------------------------------------------------------------------------------------------

  /** Tuples of a flat list whose first value is the difference to the one before; hundredths of a second become seconds. */
  function unpack(flat, size) {
    const all = [];
    let at = 0;
    for (let i = 0; i + size <= flat.length; i += size) {
      at += flat[i];
      all.push([at / 100, ...flat.slice(i + 1, i + size)]);
    }
    return all;
  }
  const charts = data.charts.map((chart) => ({
    ...chart,
    sessions: chart.sessions.map((session) => ({
      algorithm: session.algorithm,
      end: session.end / 100,
      buffer: unpack(session.buffer, 2).map(([at, level]) => [at, level / 100]),
      transfers: unpack(session.transfers, 5).map(([at, wait, flow, rung, given]) => ({ at, end: at + (wait + flow) / 100, rung, given: given === 1 })),
      stalls: session.stalls.reduce((all, t, i) => (i % 2 ? all : [...all, [t / 100, session.stalls[i + 1] / 100]]), []),
      estimates: unpack(session.estimates, 2),
    })),
  }));
  /** The last of `points` that is not after `at`. */
  function before(points, at, time = (p) => p[0]) {
    let [low, high] = [0, points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (time(points[middle]) <= at) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
  function bufferAt(points, at) {
    const i = before(points, at);
    if (i < 0) return 0;
    const next = points[i + 1];
    if (!next || next[0] <= points[i][0]) return points[i][1];
    return points[i][1] + ((next[1] - points[i][1]) * (at - points[i][0])) / (next[0] - points[i][0]);
  }

  function listTraces() {
    const groups = new Map();
    charts.forEach((chart, i) => {
      const family = chart.family === null ? '' : families[chart.family][0];
      if (!groups.has(family)) groups.set(family, html('optgroup', { label: family }));
      groups.get(family).append(html('option', { value: i }, `${family} / ${chart.name}${chart.note ? ` · ${chart.note}` : ''}`));
    });
    $('trace').append(...[...families.map(([name]) => groups.get(name)), groups.get('')].filter(Boolean));
    $('trace').selectedIndex = 0;
  }

  const view = { at: null, panels: [], sessions: [], chart: null, from: 0, to: 1 };
  const MARGIN = { left: 64, right: 12 };

  function drawSession() {
    const chart = charts[Number($('trace').value)];
    const root = $('session');
    if (!chart) {
      root.replaceChildren(html('p', { class: 'note' }, 'No trace was played in detail.'));
      $('session-details').hidden = true;
      return;
    }
    const sessions = listed().map((a) => chart.sessions.find((s) => s.algorithm === a)).filter(Boolean);
    const end = Math.max(...chart.sessions.map((s) => s.end), 1);
    const span = Number($('window').value);
    const whole = span === 0 || span >= end;
    $('from').disabled = whole;
    $('from-label').hidden = whole;
    const start = whole ? 0 : (end - span) * (Number($('from').value) / 1000);
    Object.assign(view, { chart, sessions, from: start, to: whole ? end : start + span, panels: [], at: null });
    root.replaceChildren();
    root.append(html('p', { class: 'legend' },
      key('link', 'what the link can carry'), key('start', 'start-up'), key('stall', 'stall: no pictures'), html('span', {}, cross(), 'request given up'), html('span', {}, 'steps: the rendition, when it was requested')));
    if (sessions.length === 0) root.append(html('p', { class: 'note' }, 'No algorithm is chosen.'));
    throughputPanel(root);
    bufferPanel(root);
    for (const session of sessions) lane(root, session);
    timeAxis(root);
    readOut();
    sessionTable(chart);
  }
  const key = (name, text) => html('span', {}, svg('svg', { width: 18, height: 12, 'aria-hidden': 'true' }, svg('rect', { class: name, width: 18, height: 12 })), text);
  const cross = () => svg('svg', { width: 12, height: 12, 'aria-hidden': 'true' }, svg('path', { class: 'given-up', d: 'M2 2L10 10M10 2L2 10' }));

  /** A chart with the common time axis; `draw` gets the surface, the scale of time and the height. */
  function panel(root, title, label, height, draw, name = 'panel') {
    const now = html('span', { class: 'now' });
    const figure = html('figure', { class: name, tabindex: 0, 'aria-label': `${label}. Arrow keys move the time.` }, html('header', {}, title, now));
    root.append(figure);
    const width = widthOf(figure);
    const x = scale(view.from, view.to, MARGIN.left, width - MARGIN.right);
    const clip = `clip${view.panels.length}`;
    const surface = svg('svg', { viewBox: `0 0 ${width} ${height}`, height, role: 'img', 'aria-label': label },
      svg('clipPath', { id: clip }, svg('rect', { x: MARGIN.left, y: 0, width: width - MARGIN.left - MARGIN.right, height })));
    const inner = svg('g', { 'clip-path': `url(#${clip})` });
    for (const t of timeTicks(view.from, view.to, Math.max(Math.floor(width / 80), 3))) surface.append(svg('line', { class: 'grid', x1: x(t), x2: x(t), y1: 0, y2: height }));
    draw(surface, inner, x, width);
    const line = svg('line', { class: 'cross', y1: 0, y2: height, visibility: 'hidden' });
    surface.append(inner, line);
    figure.append(surface);
    const point = (event) => {
      const box = surface.getBoundingClientRect();
      const px = ((event.clientX - box.left) / box.width) * width;
      const share = (px - MARGIN.left) / (width - MARGIN.left - MARGIN.right);
      moveTo(share < 0 || share > 1 ? null : view.from + share * (view.to - view.from));
    };
    surface.addEventListener('pointermove', point);
    surface.addEventListener('pointerdown', point);
    surface.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && moveTo(null));
    figure.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30 }[event.key];
      if (!step) return;
      event.preventDefault();
      const at = view.at ?? view.from;
      moveTo(Math.min(Math.max(at + (step * (view.to - view.from)) / 200, view.from), view.to));
      $('live').textContent = [`at ${clock(view.at)}`, ...view.panels.map((p) => p.say?.()).filter(Boolean)].join('; ');
    });
    const made = { now, line, x, idle: '' };
    view.panels.push(made);
    return made;
  }
  function moveTo(at) {
    view.at = at;
    readOut();
  }
  function readOut() {
    for (const p of view.panels) {
      p.line.setAttribute('visibility', view.at === null ? 'hidden' : 'visible');
      if (view.at !== null) {
        p.line.setAttribute('x1', p.x(view.at));
        p.line.setAttribute('x2', p.x(view.at));
      }
      p.now.textContent = view.at === null ? p.idle : p.read?.() ?? '';
    }
  }
  function yAxis(surface, y, marks, text, width) {
    for (const mark of marks) {
      surface.append(svg('line', { class: mark === 0 ? 'axis' : 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: y(mark), y2: y(mark) }),
        svg('text', { x: MARGIN.left - 7, y: y(mark) + 4, 'text-anchor': 'end' }, text(mark)));
    }
  }
  const visible = (points) => points.filter((p, i) => (points[i + 1]?.[0] ?? Infinity) >= view.from && (points[i - 1]?.[0] ?? -Infinity) <= view.to);

  function throughputPanel(root) {
    const { chart } = view;
    const height = 150;
    const capacity = chart.capacity.map((kbps, i) => [i * chart.step_s, kbps]);
    const inView = capacity.filter(([t]) => t + chart.step_s >= view.from && t <= view.to).map(([, kbps]) => kbps).sort((a, b) => a - b);
    const estimated = view.sessions.flatMap((s) => visible(s.estimates).map(([, kbps]) => kbps)).sort((a, b) => a - b);
    const high = Math.max(inView.at(-1) ?? 0, quantile(estimated, 0.98) ?? 0, 1) * 1.06;
    const mega = high >= 2000;
    const p = panel(root, html('strong', {}, 'Throughput: link and estimates'), 'Throughput over time: what the link can carry and what each algorithm reckons with', height, (surface, inner, x, width) => {
      const y = scale(0, high, height - 8, 8);
      const marks = ticks(0, high, 4);
      yAxis(surface, y, marks, (v) => (mega ? `${Number((v / 1000).toPrecision(3))}` : `${v}`), width);
      surface.append(svg('text', { x: 12, y: height / 2, transform: `rotate(-90 12 ${height / 2})`, 'text-anchor': 'middle' }, mega ? 'Mbit/s' : 'kbit/s'));
      const area = [[x(0), y(0)]];
      for (const [t, kbps] of capacity) area.push([x(t), y(kbps)], [x(t + chart.step_s), y(kbps)]);
      area.push([area.at(-1)[0], y(0)]);
      inner.append(svg('path', { class: 'link', d: `${path(area)}Z` }));
      for (const s of view.sessions) {
        const points = [];
        s.estimates.forEach(([t, kbps], i) => points.push([x(t), y(kbps)], [x(s.estimates[i + 1]?.[0] ?? s.transfers.at(-1)?.end ?? t), y(kbps)]));
        if (points.length) inner.append(svg('path', { class: 'series', d: path(points), 'stroke-dasharray': dash(s.algorithm), style: `stroke:${colour(s.algorithm)};stroke-width:1.4` }));
      }
    });
    p.idle = view.sessions.some((s) => s.estimates.length === 0) ? 'lines: what an algorithm reckons with, if it reckons with throughput at all' : 'lines: what each algorithm reckons with';
    p.read = () => `at ${clock(view.at)}: link ${rate(chart.capacity[Math.floor(view.at / chart.step_s)])}`;
    p.say = () => `link ${rate(chart.capacity[Math.floor(view.at / chart.step_s)])}`;
  }

  function bufferPanel(root) {
    const height = 130;
    const high = Math.max(...view.sessions.flatMap((s) => s.buffer.map(([, level]) => level)), 1) * 1.05;
    const p = panel(root, html('strong', {}, 'Buffer'), 'Media ahead of the playhead over time, in seconds', height, (surface, inner, x, width) => {
      const y = scale(0, high, height - 8, 6);
      yAxis(surface, y, ticks(0, high, 4), (v) => `${v}`, width);
      surface.append(svg('text', { x: 12, y: height / 2, transform: `rotate(-90 12 ${height / 2})`, 'text-anchor': 'middle' }, 'seconds'));
      for (const s of view.sessions) {
        inner.append(svg('path', { class: 'series', d: path(visible(s.buffer).map(([t, level]) => [x(t), y(level)])), 'stroke-dasharray': dash(s.algorithm), style: `stroke:${colour(s.algorithm)};stroke-width:1.6` }));
      }
    });
    p.idle = 'seconds of media ahead of the playhead';
    p.read = () => `at ${clock(view.at)}`;
  }

  function lane(root, session) {
    const { chart } = view;
    const a = session.algorithm;
    const height = 74;
    const trace = data.traces.find((t) => t.family === chart.family && t.name === chart.name);
    const row = trace?.rows[a];
    const p = panel(root, html('strong', {}, swatch(a), algorithms[a].name), `Rendition over time with ${algorithms[a].name}`, height, (surface, inner, x, width) => {
      const top = Math.max(chart.kbps.length - 1, 1);
      const y = scale(0, top, height - 8, 8);
      for (const [i, kbps] of chart.kbps.entries()) {
        const edge = i === 0 || i === chart.kbps.length - 1;
        surface.append(svg('line', { class: 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: y(i), y2: y(i) }));
        if (edge) surface.append(svg('text', { x: MARGIN.left - 7, y: y(i) + 4, 'text-anchor': 'end' }, kbps < 1000 ? `${kbps} k` : `${Number((kbps / 1000).toPrecision(3))} M`));
      }
      session.stalls.forEach(([from, to], i) => {
        const bar = { x: x(from), width: Math.max(x(to) - x(from), 1.5) };
        inner.append(svg('rect', { class: i === 0 && from <= 0.001 ? 'start' : 'stall', ...bar, y: 0, height }));
        if (from > 0.001) inner.append(svg('rect', { class: 'stall-top', ...bar, y: 0, height: 4 }));
      });
      const done = session.transfers.filter((t) => !t.given);
      const points = [];
      done.forEach((t, i) => points.push([x(t.at), y(t.rung)], [x(done[i + 1]?.at ?? t.end), y(t.rung)]));
      if (points.length) {
        inner.append(svg('path', { d: `${path([[points[0][0], height], ...points, [points.at(-1)[0], height]])}Z`, style: `fill:${colour(a)};opacity:.13` }),
          svg('path', { class: 'series', d: path(points), style: `stroke:${colour(a)}` }));
      }
      for (const t of session.transfers.filter((t) => t.given)) {
        const [cx, cy] = [x(t.end), y(t.rung)];
        inner.append(svg('path', { class: 'given-up', d: `M${cx - 3.5} ${cy - 3.5}l7 7m0 -7l-7 7` }));
      }
    }, 'panel lane');
    const stalled = session.stalls.slice(1).reduce((sum, [from, to]) => sum + to - from, 0);
    p.idle = row ? `QoE ${fixed(row[0], 3)} · ${rate(row[1])} · ${fixed(stalled, 1)} s stalled · ${plural(row[4], 'switch', 'switches')}` : '';
    const at = () => {
      const i = before(session.transfers, view.at, (t) => t.at);
      const estimate = session.estimates[before(session.estimates, view.at)];
      const over = view.at > session.end;
      return { i, estimate, over, stalled: session.stalls.some(([from, to]) => view.at >= from && view.at < to) };
    };
    p.read = () => {
      const { i, estimate, over, stalled: waits } = at();
      if (over) return `at ${clock(view.at)}: ended`;
      return [`at ${clock(view.at)}: ${i >= 0 ? rate(chart.kbps[session.transfers[i].rung]) : '–'}`, `buffer ${fixed(bufferAt(session.buffer, view.at), 1)} s`,
        estimate && `estimate ${rate(estimate[1])}`, waits && 'no pictures'].filter(Boolean).join(' · ');
    };
    p.say = () => `${algorithms[a].name} ${p.read().replace(/^at [^:]*:[0-9]*: /, '')}`;
  }

  function timeAxis(root) {
    const holder = html('figure', {});
    root.append(holder);
    const width = widthOf(holder);
    const x = scale(view.from, view.to, MARGIN.left, width - MARGIN.right);
    const surface = svg('svg', { viewBox: `0 0 ${width} 34`, height: 34, 'aria-hidden': 'true' });
    for (const t of timeTicks(view.from, view.to, Math.max(Math.floor(width / 80), 3))) {
      surface.append(svg('text', { x: x(t), y: 12, 'text-anchor': x(t) > width - 24 ? 'end' : 'middle' }, clock(t)));
    }
    surface.append(svg('text', { class: 'title', x: (MARGIN.left + width) / 2, y: 29, 'text-anchor': 'middle' }, 'time since the load, minutes:seconds'));
    holder.append(surface);
  }

  function sessionTable(chart) {
    const trace = data.traces.find((t) => t.family === chart.family && t.name === chart.name);
    const heads = ['Algorithm', 'QoE', 'bitrate', 'stalls, % of the content', 'start-up, s', 'switches', 'requests given up'];
    $('session-table').replaceChildren(grid(`${families[chart.family]?.[0] ?? ''} / ${chart.name}`, heads, algorithms.flatMap((a, i) => {
      const row = trace?.rows[i];
      return row ? [[a.name, fixed(row[0], 3), rate(row[1]), fixed(row[2] * 100, 2), fixed(row[3], 2), String(row[4]), String(row[5])]] : [];
    })));
  }
  for (const id of ['trace', 'window']) $(id).addEventListener('change', () => drawSession());
  $('from').addEventListener('input', () => drawSession());

  // ---- all of it ------------------------------------------------------------------------------------------------------------

  drawBars();
  listTraces();
  drawSpread();
  drawSession();
  drawMeans();
  drawTable();
  drawAhead();
  drawApart();
  let width = window.innerWidth;
  window.addEventListener('resize', () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    drawSpread();
    drawSession();
  });
})();
