//! A newer version of an MPD gives what a first reading of it would give, whatever of the version before it repeats.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use player_core::manifest::dash::Mpd;
use player_core::presentation::SegmentSource;
use proptest::prelude::*;

const URL: &str = "https://h/live.mpd";

/// How an `S` is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Usual,
    EndTag,
    Lines,
    Comments,
    UnknownAttribute,
}

/// A channel: the durations of its segments, and how it is written.
#[derive(Clone, Debug)]
struct Channel {
    durations: Vec<u64>,
    form: Form,
    /// Equal durations are one `S`.
    repeats: bool,
    /// Every `S` says its time, or only the first one.
    times: bool,
    /// The last `S` goes on without an end.
    endless: bool,
    sets: usize,
}

impl Channel {
    fn start(&self, segment: usize) -> u64 {
        self.durations.iter().take(segment).sum()
    }

    /// The segments `from..to`.
    fn timeline(&self, from: usize, to: usize) -> String {
        let mut text = String::new();
        let mut at = from;
        while at < to {
            let duration = self.durations[at];
            let run = self.durations[at..to].iter().take_while(|d| **d == duration);
            let count = if self.repeats { run.count() } else { 1 };
            let t = (self.times || at == from).then(|| format!("t=\"{}\" ", self.start(at)));
            let last = at + count == to;
            let r = match count {
                _ if last && self.endless => " r=\"-1\"".to_owned(),
                1 => String::new(),
                _ => format!(" r=\"{}\"", count - 1),
            };
            let attributes = format!("{}d=\"{duration}\"{r}", t.unwrap_or_default());
            match self.form {
                Form::Usual => writeln!(text, "<S {attributes}/>"),
                Form::EndTag => write!(text, "<S {attributes}></S>"),
                Form::Lines => write!(text, "\n  <S\n {attributes}\n/>"),
                Form::Comments => writeln!(text, "<S {attributes}/><!-- {} -->", at / 50),
                Form::UnknownAttribute => writeln!(text, "<S x=\"\" {attributes}/>"),
            }
            .unwrap();
            at += count;
        }
        text
    }

    fn mpd(&self, from: usize, to: usize, ended: bool) -> String {
        let timeline = self.timeline(from, to);
        let kind = if ended { "static" } else { "dynamic" };
        let set = |i: usize| {
            format!(
                "<AdaptationSet id=\"{i}\" mimeType=\"video/mp4\"><SegmentTemplate startNumber=\"{from}\" timescale=\"1000\" \
                 media=\"{i}-$Time$-$Number$\"><SegmentTimeline>{timeline}</SegmentTimeline></SegmentTemplate>\
                 <Representation id=\"{i}\" bandwidth=\"1\"/></AdaptationSet>"
            )
        };
        let sets: String = (0..self.sets).map(set).collect();
        format!("<MPD type=\"{kind}\" minBufferTime=\"PT2S\"><Period start=\"PT0S\">{sets}</Period></MPD>")
    }
}

fn channels() -> impl Strategy<Value = Channel> {
    let form = prop_oneof![
        4 => Just(Form::Usual),
        1 => Just(Form::EndTag),
        1 => Just(Form::Lines),
        1 => Just(Form::Comments),
        1 => Just(Form::UnknownAttribute),
    ];
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2));
    (
        prop::collection::vec(1990_u64..1994, 600),
        form,
        flags,
        1_usize..3,
    )
        .prop_map(|(durations, form, (repeats, times, endless), sets)| Channel {
            durations,
            form,
            repeats,
            times,
            endless,
            sets,
        })
}

fn assert_same(refreshed: &Mpd, text: &str) {
    let read = Mpd::parse(text, URL).unwrap();
    assert_eq!(*refreshed, read);
    let (refreshed, read) = (refreshed.presentation().unwrap(), read.presentation().unwrap());
    assert_eq!(refreshed, read);
    // What an index says of its segments does not depend on how it came about.
    for (refreshed, read) in refreshed.periods[0].tracks.iter().zip(&read.periods[0].tracks) {
        let (SegmentSource::Index(a), SegmentSource::Index(b)) =
            (&refreshed.renditions[0].source, &read.renditions[0].source)
        else {
            panic!("no index")
        };
        for position in (0..a.len().min(1000)).step_by(7) {
            let segment = a.get(position).unwrap();
            assert_eq!(Some(&segment), b.get(position).as_ref());
            assert_eq!(a.position_at(segment.start), position);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn a_sliding_window_is_taken_over(
        channel in channels(),
        steps in prop::collection::vec((0_usize..70, 0_usize..70), 1..8),
    ) {
        let (mut from, mut to) = (0, 150);
        let mut mpd = Mpd::parse(channel.mpd(from, to, false), URL).unwrap();
        for (removed, added) in steps {
            from = (from + removed).min(to - 1);
            to = (to + added).min(600);
            let text = channel.mpd(from, to, false);
            mpd.refresh(&text, URL).unwrap();
            assert_same(&mpd, &text);
        }
        let text = channel.mpd(from, to, true);
        mpd.refresh(&text, URL).unwrap();
        assert_same(&mpd, &text);
    }

    #[test]
    fn another_timeline_is_read_as_it_is(a in channels(), b in channels(), from in 0_usize..140, cut in any::<prop::sample::Index>()) {
        let mut mpd = Mpd::parse(a.mpd(0, 300, false), URL).unwrap();
        let text = b.mpd(from, 200, false);
        // A text that breaks off changes nothing.
        let before = mpd.clone();
        prop_assert!(mpd.refresh(&text[..cut.index(text.len() - 1)], URL).is_err());
        prop_assert_eq!(&mpd, &before);
        mpd.refresh(&text, URL).unwrap();
        assert_same(&mpd, &text);
    }
}

/// Long enough that each text has several chunks, all of which are like others in length.
fn steady(sets: usize) -> Channel {
    Channel {
        durations: (0..2000).map(|i| 1990 + i * i % 4).collect(),
        form: Form::Usual,
        repeats: false,
        times: true,
        endless: false,
        sets,
    }
}

#[test]
fn periods_may_go_and_come() {
    let channel = steady(1);
    let mpd = |periods: &[(usize, usize)]| {
        let periods: String = periods
            .iter()
            .map(|(from, to)| {
                let whole = channel.mpd(*from, *to, false);
                let (start, end) = (whole.find("<Period").unwrap(), whole.find("</MPD>").unwrap());
                whole[start..end].replace("<Period", &format!("<Period id=\"{to}\""))
            })
            .collect();
        format!("<MPD type=\"dynamic\" minBufferTime=\"PT2S\">{periods}</MPD>")
    };
    let mut live = Mpd::parse(mpd(&[(0, 300), (300, 700)]), URL).unwrap();
    for text in [
        mpd(&[(100, 300), (300, 700), (700, 900)]),
        mpd(&[(400, 700), (700, 1000)]),
        mpd(&[(800, 1100)]),
        mpd(&[(0, 300), (850, 1200)]),
    ] {
        live.refresh(&text, URL).unwrap();
        assert_same(&live, &text);
    }
}

#[test]
fn a_rewritten_history_is_noticed_in_time() {
    let channel = steady(1);
    let mut mpd = Mpd::parse(channel.mpd(0, 1500, false), URL).unwrap();
    let mut other = channel.clone();
    other.durations.swap(700, 701);
    // Once it is its turn; and nothing is mixed up until then.
    for shift in 1..100 {
        let text = other.mpd(0, 1500 + shift, false);
        mpd.refresh(&text, URL).unwrap();
        if mpd == Mpd::parse(&text, URL).unwrap() {
            return;
        }
    }
    panic!("not noticed");
}

#[test]
fn lines_are_counted_on() {
    let channel = steady(1);
    let with_error = |from, to| channel.mpd(from, to, false).replace("</MPD>", "<Unknown/></MPD>");
    let mut mpd = Mpd::parse(with_error(0, 500), URL).unwrap();
    mpd.refresh(with_error(30, 540), URL).unwrap();
    let line = mpd.root().children().last().unwrap().line();
    assert_eq!(line, 511);
}
