//! What the rows say: means by family, shares of a reference, who is ahead of whom.

use std::collections::BTreeMap;

use crate::batch::Row;

/// A trace on which the reference scores no more than this is reported apart: a share of next to nothing says nothing.
pub const LEAST_REFERENCE_QOE: f64 = 0.02;
/// Scores nearer than this are equal.
const TIE: f64 = 1e-9;

/// The rows of a run in figures.
///
/// Where there is a reference (`optimal`, as a rule), the figures are of the traces on which it scores more than
/// [`LEAST_REFERENCE_QOE`]; the others are in [`Summary::apart`]. Means of a family are over its traces, overall means are over
/// the families.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary<'a> {
    /// The families, in the order of the rows.
    pub families: Vec<Family<'a>>,
    /// The algorithm that shares are relative to, if any: an index of `lines`.
    pub reference: Option<usize>,
    /// A line for each algorithm, in the order of the rows.
    pub lines: Vec<Line<'a>>,
    /// For each algorithm and each other one: the share of the traces, 0 to 1, on which the first has the higher score;
    /// `None` without a trace that both have played.
    pub ahead: Vec<Vec<Option<f64>>>,
    /// The traces that are reported apart: an index of `families`, and the name.
    pub apart: Vec<(usize, &'a str)>,
    /// Mean score by algorithm over the traces that are reported apart.
    pub apart_qoe: Vec<Option<f64>>,
}

/// A family of traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its traces that count.
    pub traces: usize,
}

/// An algorithm's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// Its name.
    pub algorithm: &'a str,
    /// By family; `None` without a session.
    pub families: Vec<Option<Figures>>,
    /// The mean over the families; `None` without any session.
    pub mean: Option<Figures>,
    /// Median time of a decision over all sessions, microseconds of a core.
    pub decision_us_p50: f64,
    /// 99th percentile of it.
    pub decision_us_p99: f64,
}

/// Means over sessions, or over families.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Normalised quality of experience.
    pub qoe: f64,
    /// Its share of what the reference has on the same traces: the quotient of the two means. `None` without a reference.
    pub share: Option<f64>,
    /// Mean nominal bitrate, kbit/s.
    pub bitrate_kbps: f64,
    /// Time without pictures after the start as a share of the content's duration.
    pub rebuffer_ratio: f64,
    /// Time to the first picture, seconds.
    pub startup_s: f64,
    /// Changes of rendition a segment.
    pub switches_per_segment: f64,
    /// Requests given up a session.
    pub abandoned: f64,
}

/// The sessions of a trace, by algorithm.
pub(super) struct Sessions<'a> {
    pub(super) family: usize,
    pub(super) trace: &'a str,
    /// It counts: see [`Summary`].
    pub(super) counts: bool,
    pub(super) rows: Vec<Option<&'a Row>>,
}

impl<'a> Summary<'a> {
    /// Sums up rows in the order of [`Batch::run`](crate::batch::Batch::run). A reference that no row has counts as none.
    pub fn new(rows: &'a [Row], reference: Option<&str>) -> Self {
        let algorithms = distinct(rows, |row| &row.algorithm);
        let reference = reference.and_then(|name| algorithms.iter().position(|known| *known == name));
        let names = distinct(rows, |row| &row.family);
        let sessions = sessions(rows, &names, &algorithms, reference);
        let counted: Vec<_> = sessions.iter().filter(|s| s.counts).collect();
        let apart: Vec<_> = sessions.iter().filter(|s| !s.counts).collect();
        let lines = algorithms
            .iter()
            .enumerate()
            .map(|(a, algorithm)| line(a, algorithm, names.len(), &counted, reference))
            .collect();
        Self {
            families: names
                .iter()
                .enumerate()
                .map(|(f, name)| Family {
                    name,
                    traces: counted.iter().filter(|s| s.family == f).count(),
                })
                .collect(),
            reference,
            lines,
            ahead: (0..algorithms.len())
                .map(|a| (0..algorithms.len()).map(|b| ahead(&counted, a, b)).collect())
                .collect(),
            apart: apart.iter().map(|s| (s.family, s.trace)).collect(),
            apart_qoe: (0..algorithms.len())
                .map(|a| mean(apart.iter().filter_map(|s| s.row(a)).map(|row| row.qoe)))
                .collect(),
        }
    }
}

impl<'a> Sessions<'a> {
    pub(super) fn row(&self, algorithm: usize) -> Option<&'a Row> {
        self.rows.get(algorithm).copied().flatten()
    }
}

/// The rows by trace. Two traces may have the same name (of folders of the same name): then the algorithms start over.
pub(super) fn sessions<'a>(
    rows: &'a [Row],
    families: &[&str],
    algorithms: &[&str],
    reference: Option<usize>,
) -> Vec<Sessions<'a>> {
    let mut all: Vec<Sessions<'a>> = Vec::new();
    let place = |names: &[&str]| -> BTreeMap<String, usize> {
        names
            .iter()
            .enumerate()
            .map(|(i, name)| ((*name).to_owned(), i))
            .collect()
    };
    let (families, places) = (place(families), place(algorithms));
    for row in rows {
        let (Some(&family), Some(&algorithm)) = (families.get(&row.family), places.get(&row.algorithm))
        else {
            continue;
        };
        let same = all
            .last()
            .is_some_and(|s| s.family == family && s.trace == row.trace && s.row(algorithm).is_none());
        if !same {
            all.push(Sessions {
                family,
                trace: &row.trace,
                counts: true,
                rows: vec![None; algorithms.len()],
            });
        }
        if let Some(slot) = all.last_mut().and_then(|s| s.rows.get_mut(algorithm)) {
            *slot = Some(row);
        }
    }
    if let Some(reference) = reference {
        for sessions in &mut all {
            sessions.counts = sessions
                .row(reference)
                .is_some_and(|row| row.qoe > LEAST_REFERENCE_QOE);
        }
    }
    all
}

fn line<'a>(
    a: usize,
    algorithm: &'a str,
    families: usize,
    sessions: &[&Sessions<'_>],
    reference: Option<usize>,
) -> Line<'a> {
    let by_family: Vec<_> = (0..families)
        .map(|family| {
            let of_family = sessions.iter().filter(|s| s.family == family);
            let pairs: Vec<_> = of_family
                .filter_map(|s| Some((s.row(a)?, reference.and_then(|r| s.row(r)))))
                .collect();
            figures(&pairs)
        })
        .collect();
    let mut decisions: Vec<u32> = sessions
        .iter()
        .filter_map(|s| s.row(a))
        .flat_map(|row| row.decisions_ns.iter().copied())
        .collect();
    decisions.sort_unstable();
    Line {
        algorithm,
        mean: mean_of(by_family.iter().flatten()),
        families: by_family,
        decision_us_p50: percentile_us(&decisions, 0.50),
        decision_us_p99: percentile_us(&decisions, 0.99),
    }
}

/// Means over the sessions of a family, each with the reference's.
fn figures(pairs: &[(&Row, Option<&Row>)]) -> Option<Figures> {
    let of = |value: fn(&Row) -> f64| mean(pairs.iter().map(|(row, _)| value(row)));
    let qoe = of(|row| row.qoe)?;
    let reference = mean(
        pairs
            .iter()
            .filter_map(|(_, reference)| *reference)
            .map(|row| row.qoe),
    );
    Some(Figures {
        qoe,
        share: reference.map(|reference| qoe / reference),
        bitrate_kbps: of(|row| row.bitrate_kbps)?,
        rebuffer_ratio: of(|row| row.rebuffer_ratio)?,
        startup_s: of(|row| row.startup_s)?,
        switches_per_segment: of(|row| row.switches as f64 / row.segments.max(1) as f64)?,
        abandoned: of(|row| row.abandoned as f64)?,
    })
}

fn mean_of<'a>(figures: impl Iterator<Item = &'a Figures> + Clone) -> Option<Figures> {
    let of = |value: fn(&Figures) -> f64| mean(figures.clone().map(value));
    Some(Figures {
        qoe: of(|f| f.qoe)?,
        share: mean(figures.clone().filter_map(|f| f.share)),
        bitrate_kbps: of(|f| f.bitrate_kbps)?,
        rebuffer_ratio: of(|f| f.rebuffer_ratio)?,
        startup_s: of(|f| f.startup_s)?,
        switches_per_segment: of(|f| f.switches_per_segment)?,
        abandoned: of(|f| f.abandoned)?,
    })
}

fn ahead(sessions: &[&Sessions<'_>], a: usize, b: usize) -> Option<f64> {
    if a == b {
        return None;
    }
    let pairs = sessions
        .iter()
        .filter_map(|s| Some((s.row(a)?.qoe, s.row(b)?.qoe)));
    mean(pairs.map(|(a, b)| f64::from(u8::from(a > b + TIE))))
}

pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0_u32, 0.0), |(n, sum), value| (n + 1, sum + value));
    (n > 0).then(|| sum / f64::from(n))
}

/// The nearest rank, of nanoseconds in microseconds; zero if there are none.
pub(crate) fn percentile_us(sorted_ns: &[u32], p: f64) -> f64 {
    let rank = (p * sorted_ns.len() as f64).ceil() as usize;
    sorted_ns
        .get(rank.saturating_sub(1))
        .map_or(0.0, |ns| f64::from(*ns) / 1000.0)
}

/// The values of a field, in the order in which they first occur.
pub(super) fn distinct<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    field: impl Fn(&'a Row) -> &'a String,
) -> Vec<&'a str> {
    let mut seen: Vec<&str> = Vec::new();
    for row in rows {
        let value = field(row).as_str();
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::test::row;
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn shares_are_quotients_of_a_familys_means_and_means_are_over_families() {
        let rows = [
            row("3g", "a", "x", 0.1),
            row("3g", "a", "optimal", 0.2),
            row("3g", "b", "x", 0.5),
            row("3g", "b", "optimal", 0.6),
            row("lte", "c", "x", 0.9),
            row("lte", "c", "optimal", 0.9),
        ];
        let summary = Summary::new(&rows, Some("optimal"));
        let x = &summary.lines[0];
        near(x.families[0].unwrap().qoe, 0.3);
        near(x.families[0].unwrap().share.unwrap(), 0.75);
        near(x.mean.unwrap().qoe, 0.6);
        near(x.mean.unwrap().share.unwrap(), 0.875);
        near(x.mean.unwrap().switches_per_segment, 0.1);
        assert_eq!(summary.reference, Some(1));
        assert_eq!(summary.ahead[1][0], Some(2.0 / 3.0));
        assert_eq!((summary.ahead[0][1], summary.ahead[0][0]), (Some(0.0), None));
        let without = Summary::new(&rows, Some("oracle"));
        assert_eq!(
            (without.reference, without.lines[0].mean.unwrap().share),
            (None, None)
        );
    }

    #[test]
    fn traces_that_nobody_can_play_well_are_apart() {
        let rows = [
            row("3g", "bad", "x", -2.0),
            row("3g", "bad", "optimal", 0.01),
            row("3g", "good", "x", 0.5),
            row("3g", "good", "optimal", 0.5),
        ];
        let summary = Summary::new(&rows, Some("optimal"));
        near(summary.lines[0].mean.unwrap().qoe, 0.5);
        assert_eq!(summary.families[0].traces, 1);
        assert_eq!(summary.apart, [(0, "bad")]);
        near(summary.apart_qoe[0].unwrap(), -2.0);
        let without = Summary::new(&rows, None);
        assert!(without.apart.is_empty());
        near(without.lines[0].mean.unwrap().qoe, -0.75);
    }

    #[test]
    fn sessions_that_failed_are_missing_and_no_zero() {
        let rows = [
            row("3g", "a", "x", 0.4),
            row("3g", "a", "y", 0.2),
            row("3g", "b", "y", 0.8),
            row("lte", "c", "x", 0.6),
        ];
        let summary = Summary::new(&rows, None);
        assert_eq!(
            summary.ahead[0][1],
            Some(1.0),
            "on the one trace that both have played"
        );
        near(summary.lines[1].mean.unwrap().qoe, 0.5);
        assert!(summary.lines[1].families[1].is_none());
    }

    #[test]
    fn traces_of_one_name_stay_two() {
        let rows = [
            row("3g", "a", "x", 0.1),
            row("3g", "a", "y", 0.2),
            row("3g", "a", "x", 0.3),
            row("3g", "a", "y", 0.2),
        ];
        let summary = Summary::new(&rows, None);
        assert_eq!(summary.families[0].traces, 2);
        assert_eq!(summary.ahead[0][1], Some(0.5));
    }

    #[test]
    fn percentiles_are_nearest_ranks_over_all_decisions() {
        let times: Vec<u32> = (1..=100).map(|us| us * 1000).collect();
        near(percentile_us(&times, 0.5), 50.0);
        near(percentile_us(&times, 0.99), 99.0);
        near(percentile_us(&[], 0.5), 0.0);
        let mut rows = [row("3g", "a", "x", 0.1), row("3g", "b", "x", 0.1)];
        rows[0].decisions_ns = vec![1000; 99];
        rows[1].decisions_ns = vec![9000];
        let summary = Summary::new(&rows, None);
        near(summary.lines[0].decision_us_p50, 1.0);
        near(summary.lines[0].decision_us_p99, 1.0);
    }
}
