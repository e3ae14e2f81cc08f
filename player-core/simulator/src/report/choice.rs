//! Which traces to show over time, when nobody says which.

use crate::trace::FamilyTrace;

/// The worst, the median and the best trace of each family by a score a trace (`None`: no result), as numbers of traces with the
/// reason; all that are worst come first, so that a limit cuts the least telling ones.
pub fn choose(traces: &[FamilyTrace], scores: &[Option<f64>]) -> Vec<(usize, String)> {
    let mut families: Vec<(&str, Vec<(f64, usize)>)> = Vec::new();
    for (i, (trace, score)) in traces.iter().zip(scores).enumerate() {
        let Some(score) = score else { continue };
        let family = trace.family.as_str();
        match families.iter_mut().find(|(name, _)| *name == family) {
            Some((_, list)) => list.push((*score, i)),
            None => families.push((family, vec![(*score, i)])),
        }
    }
    for (_, list) in &mut families {
        list.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
    let mut chosen: Vec<(usize, String)> = Vec::new();
    for (note, place) in [
        ("worst", (|_| 0) as fn(usize) -> usize),
        ("median", |n| n / 2),
        ("best", |n| n - 1),
    ] {
        for (_, list) in &families {
            let Some((_, trace)) = list.get(place(list.len())) else {
                continue;
            };
            if !chosen.iter().any(|(known, _)| known == trace) {
                let note = if list.len() == 1 { "" } else { note };
                chosen.push((*trace, note.to_owned()));
            }
        }
    }
    chosen
}

/// The traces of a name, or of a family and a name: `TRACE` or `FAMILY/TRACE`.
pub fn named(traces: &[FamilyTrace], name: &str) -> Vec<usize> {
    let is = |trace: &FamilyTrace| {
        let whole = trace.trace.name() == name;
        whole
            || name
                .strip_prefix(trace.family.as_str())
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|rest| rest == trace.trace.name())
    };
    traces
        .iter()
        .enumerate()
        .filter(|(_, trace)| is(trace))
        .map(|(i, _)| i)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Trace;

    fn traces(names: &[(&str, &str)]) -> Vec<FamilyTrace> {
        names
            .iter()
            .map(|(family, name)| FamilyTrace {
                family: (*family).to_owned(),
                trace: Trace::constant(name, 1000.0, 0.0).unwrap(),
            })
            .collect()
    }

    #[test]
    fn the_worst_of_all_families_come_first() {
        let traces = traces(&[
            ("3g", "a"),
            ("3g", "b"),
            ("3g", "c"),
            ("3g", "d"),
            ("lte", "e"),
            ("lte", "f"),
            ("5g", "g"),
        ]);
        let scores = [0.3, 0.1, 0.9, 0.4, 0.5, 0.7, 0.2].map(Some);
        let chosen = choose(&traces, &scores);
        let names: Vec<_> = chosen
            .iter()
            .map(|(i, note)| (traces[*i].trace.name(), note.as_str()))
            .collect();
        let expected = [
            ("b", "worst"),
            ("e", "worst"),
            ("g", ""),
            ("d", "median"),
            ("f", "median"),
            ("c", "best"),
        ];
        assert_eq!(names, expected);
        let mut failed = scores;
        failed[1] = None;
        assert_eq!(
            choose(&traces, &failed)[0].0,
            0,
            "one without a result is not chosen"
        );
    }

    #[test]
    fn a_name_may_have_its_family() {
        let traces = traces(&[("3g", "a"), ("lte", "a"), ("lte", "b")]);
        assert_eq!(named(&traces, "a"), [0, 1]);
        assert_eq!(named(&traces, "lte/a"), [1]);
        assert!(named(&traces, "lte").is_empty() && named(&traces, "3g/b").is_empty());
    }
}
