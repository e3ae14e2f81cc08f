// Alerts: what is firing, what was, and the rules that say so.

import { type Alert, type Alerts, getIfThere, type Rule } from './api';
import { alertText, ruleText, unitOf } from './alert-text';
import { cohortName } from './cohort-name';
import { dimensionName, parseFilters } from './filters';
import { fillOnce, h, setText } from './dom';
import * as format from './format';
import { formatValue, metricName } from './metrics';
import type { Page } from './page';
import { fixedRange, link, type State } from './state';

const REFRESH_MS = 10_000;
/** What is shown around an alert. */
const MARGIN_MS = 1_800_000;

export class AlertsPage implements Page {
  readonly title = 'Alerts · Headgate analytics';
  readonly element = h('div', { class: 'alerts stack' });
  readonly uses = { range: false, filters: false };
  #state!: State;
  #open = h('ul', { class: 'alert-cards' });
  #quiet = h('p', { class: 'card card-note note' }, 'Loading…');
  #history = h('tbody');
  #historyTable = h(
    'table',
    { class: 'ranking history', hidden: true },
    h('caption', { class: 'hidden' }, 'Alerts that are over, newest first'),
    h('thead', {}, h('tr', {}, ...['When', 'Rule', 'Value', 'n', 'Cohort', ''].map((name) => h('th', { scope: 'col', class: name === 'Value' || name === 'n' ? 'number' : undefined }, name || h('span', { class: 'hidden' }, 'Links'))))),
    this.#history,
  );
  #historyNone = h('p', { class: 'card-note note' }, 'No alert has fired yet.');
  #rules = h('ul', { class: 'rules' });

  constructor() {
    this.element.append(
      h('h1', { class: 'hidden' }, 'Alerts'),
      h('section', { class: 'stack', 'aria-labelledby': 'alerts-open' }, h('div', { class: 'heading' }, h('h2', { id: 'alerts-open' }, 'Firing and pending')), this.#open, this.#quiet),
      h('section', { class: 'stack', 'aria-labelledby': 'alerts-history' }, h('div', { class: 'heading' }, h('h2', { id: 'alerts-history' }, 'History')), h('div', { class: 'card table-card' }, this.#historyTable, this.#historyNone)),
      h('section', { class: 'stack', 'aria-labelledby': 'alerts-rules' }, h('div', { class: 'heading' }, h('h2', { id: 'alerts-rules' }, 'Rules'), h('p', { class: 'note' }, 'Rules are in the server’s configuration.')), h('div', { class: 'card' }, this.#rules)),
    );
  }

  show(state: State): void {
    this.#state = state;
  }

  async refresh(signal: AbortSignal): Promise<number | undefined> {
    const answer = await getIfThere<Alerts>('/v1/alerts', { site: this.#state.site }, { signal });
    const { alerts, rules } = answer ?? { alerts: [], rules: [] };
    const open = alerts.filter(({ state }) => state !== 'resolved').sort((a, b) => Number(b.state === 'firing') - Number(a.state === 'firing'));
    const over = alerts.filter(({ state, fired_ms }) => state === 'resolved' && fired_ms !== null);
    this.#open.hidden = open.length === 0;
    this.#quiet.hidden = open.length > 0;
    setText(this.#quiet, answer ? `All quiet: ${rules.length} ${rules.length === 1 ? 'rule is' : 'rules are'} being watched and none is firing.` : 'This server has no alerts.');
    fillOnce(this.#open, [open, this.#state.site], () => open.map((alert) => this.#card(alert, rules)));
    this.#historyTable.hidden = over.length === 0;
    this.#historyNone.hidden = over.length > 0;
    fillOnce(this.#history, [over, this.#state.site, format.zoneName()], () => over.map((alert) => this.#row(alert)));
    fillOnce(this.#rules, rules, () => (rules.length > 0 ? rules.map((rule) => ruleItem(rule, alerts)) : [h('li', { class: 'note' }, 'There are no rules.')]));
    return REFRESH_MS;
  }

  destroy(): void {}

  #card(alert: Alert, rules: Rule[]): HTMLElement {
    const { value, since } = alertText(alert);
    const rule = rules.find(({ name }) => name === alert.rule);
    const firing = alert.state === 'firing';
    return h(
      'li',
      { class: `card alert-card ${alert.state}` },
      h('div', { class: 'title-line' }, h('span', { class: `badge ${firing ? 'bad' : 'warn'}` }, firing ? 'Firing' : 'Pending'), h('h3', {}, alert.rule), h('span', { class: 'muted' }, [since, alert.site && `site ${alert.site}`].filter(Boolean).join(' · '))),
      h('p', { class: 'alert-value' }, `${metricName(alert.metric)}: `, h('b', {}, value), alert.n === null ? '' : h('span', { class: 'muted' }, ` n = ${format.count(alert.n)}`)),
      cohortLine(alert),
      rule ? h('p', { class: 'muted small' }, ruleText(rule)) : '',
      h('div', { class: 'actions' }, ...this.#links(alert)),
    );
  }

  #row(alert: Alert): HTMLElement {
    const from = alert.fired_ms ?? alert.since_ms;
    const length = alert.resolved_ms === null ? '' : ` · ${format.age(alert.resolved_ms - from)}`;
    return h(
      'tr',
      {},
      h('td', { 'data-label': 'When' }, `${format.moment(from)}${length}`),
      h('th', { scope: 'row', 'data-label': 'Rule' }, alert.rule, h('span', { class: 'detail' }, [metricName(alert.metric), alert.site && `site ${alert.site}`].filter(Boolean).join(' · '))),
      h('td', { class: 'number strong', 'data-label': 'Value' }, formatValue(unitOf(alert.metric), alert.value)),
      h('td', { class: 'number', 'data-label': 'n' }, format.count(alert.n)),
      h('td', { 'data-label': 'Cohort' }, alert.cohort ? cohortName(alert.cohort.by) : '–'),
      h('td', { class: 'actions' }, ...this.#links(alert)),
    );
  }

  /** To where it can be looked into: the time of the alert, its site, its cohort. */
  #links(alert: Alert): HTMLElement[] {
    const from = alert.since_ms - MARGIN_MS;
    const range = fixedRange(from, Math.min(Date.now(), (alert.resolved_ms ?? Date.now()) + MARGIN_MS)) ?? this.#state.range;
    const site = alert.site ?? this.#state.site;
    const filters = parseFilters(alert.cohort?.filters ?? []);
    const change = { range, site };
    return [
      h('a', { href: link(this.#state, 'trends', { metric: alert.metric }, { ...change, filters }), 'data-link': true }, 'Trend'),
      h('a', { href: link(this.#state, 'cohorts', { metric: alert.metric }, { ...change, filters: [] }), 'data-link': true }, 'Cohorts'),
      h('a', { href: link(this.#state, 'views', {}, { ...change, filters }), 'data-link': true }, 'Views'),
    ];
  }
}

function cohortLine({ cohort, metric }: Alert): HTMLElement | string {
  if (!cohort) return '';
  const n = cohort.n === null ? '' : `, n = ${format.count(cohort.n)}`;
  return h('p', {}, 'Mostly ', h('b', {}, cohortName(cohort.by)), `: ${formatValue(unitOf(metric), cohort.value)}${n}`);
}

function ruleItem(rule: Rule, alerts: Alert[]): HTMLElement {
  const firing = alerts.some((alert) => alert.rule === rule.name && alert.state === 'firing');
  return h(
    'li',
    {},
    h('div', { class: 'title-line' }, h('b', {}, rule.name), h('span', { class: `badge ${firing ? 'bad' : 'live'}` }, firing ? 'Firing' : 'Quiet'), rule.site ? h('span', { class: 'muted' }, `site ${rule.site}`) : ''),
    h('p', { class: 'muted' }, ruleText(rule)),
    rule.by.length > 0 ? h('p', { class: 'muted small' }, `Looks for a cohort by ${rule.by.map(dimensionName).join(', ')}`) : '',
  );
}
