//! No number that a page may pass makes it panic or answer with a rendition that there is not.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::config::{Algorithm, Preset};
use player_web_abr::{Download, Moment, Settings, Standalone};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Debug)]
enum Call {
    Abandon(Moment, f64),
    Choose(Moment),
    Download(Download),
    Ladder(Vec<f64>),
    Progress([f64; 3]),
    Recall([f64; 3]),
    Request(f64, Option<usize>),
    Seek,
    Segments(f64, Vec<(usize, Vec<f64>)>),
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..100_000.0,
        select(vec![f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300]),
        any::<f64>(),
    ]
}

fn index() -> impl Strategy<Value = Option<usize>> {
    option::of(prop_oneof![0usize..50, any::<usize>()])
}

fn moment() -> impl Strategy<Value = Moment> {
    let numbers = [(); 6].map(|()| number());
    (numbers, index(), option::of(any::<bool>())).prop_map(
        |([at_ms, buffer_s, buffer_max_s, segment_s, remaining, number], last, started)| Moment {
            at_ms,
            buffer_s,
            buffer_max_s,
            segment_s,
            last,
            remaining,
            started,
            number,
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    let times = [(); 4].map(|()| number());
    let download = (times, index(), any::<bool>(), any::<bool>()).prop_map(
        |([at_ms, requested_at_ms, first_byte_at_ms, bytes], index, cached, abandoned)| Download {
            at_ms,
            requested_at_ms,
            first_byte_at_ms,
            bytes,
            index,
            cached,
            abandoned,
        },
    );
    let three = || [(); 3].map(|()| number());
    prop_oneof![
        4 => (moment(), number()).prop_map(|(moment, total)| Call::Abandon(moment, total)),
        4 => moment().prop_map(Call::Choose),
        3 => download.prop_map(Call::Download),
        2 => vec(number(), 0..45).prop_map(Call::Ladder),
        3 => three().prop_map(Call::Progress),
        1 => three().prop_map(Call::Recall),
        3 => (number(), index()).prop_map(|(at, index)| Call::Request(at, index)),
        1 => Just(Call::Seek),
        1 => (number(), vec((0usize..50, vec(number(), 0..9)), 0..6)).prop_map(|(first, rows)| Call::Segments(first, rows)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_renditions_of_the_ladder(
        algorithm in select(Algorithm::ALL.to_vec()),
        preset in select(Preset::ALL.to_vec()),
        calls in vec(call(), 1..60),
    ) {
        let mut abr = Standalone::new(Settings { algorithm, preset, ..Settings::default() });
        let mut renditions = 0;
        for call in calls {
            match call {
                Call::Abandon(moment, total) => {
                    let lower = abr.abandon(&moment, total);
                    prop_assert!(lower.is_none_or(|index| index < renditions), "{:?} of {}", lower, renditions);
                }
                Call::Choose(moment) => {
                    let choice = abr.choose(&moment);
                    prop_assert_eq!(choice.is_some(), renditions > 0);
                    prop_assert!(choice.is_none_or(|index| index < renditions), "{:?} of {}", choice, renditions);
                }
                Call::Download(download) => abr.on_download(&download),
                Call::Ladder(bitrates) => {
                    abr.set_ladder(&bitrates, &[]);
                    renditions = bitrates.len();
                }
                Call::Progress([at, bytes, first]) => abr.on_progress(at, bytes, first),
                Call::Recall([kbps, spread, age]) => {
                    abr.recall(kbps, spread, age);
                }
                Call::Request(at, index) => abr.on_request(at, index),
                Call::Seek => abr.on_seek(),
                Call::Segments(first, rows) => {
                    abr.set_first_segment(first);
                    for (index, row) in rows {
                        abr.set_segment_bytes(index, &row);
                        abr.set_segment_quality(index, &row);
                    }
                }
            }
        }
    }
}
