//! A trace over time with several algorithms, in few bytes.

use std::time::Duration;

use player_core::Instant;
use serde::Serialize;

use crate::Content;
use crate::network::Link;
use crate::timeline::Timeline;
use crate::trace::FamilyTrace;

/// Steps of the link's capacity in a chart, at most.
const MAX_STEPS: u64 = 1200;
/// Shortest step of it, milliseconds.
const MIN_STEP_MS: u64 = 500;
/// Times and buffers are in this unit: hundredths of a second.
const PER_SECOND: f64 = 100.0;
/// A point of the buffer that is off the line between its neighbours by no more than this, in seconds, is left out.
const BUFFER_TOLERANCE_S: f64 = 0.04;
/// A change of the estimate below this factor is left out.
const ESTIMATE_TOLERANCE: f64 = 1.02;

/// A trace over time.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Family of the trace.
    pub family: String,
    /// Name of the trace.
    pub trace: String,
    /// Why it was chosen, in a word or two.
    pub note: String,
    /// Nominal bitrates, kbit/s, lowest first.
    pub bitrates_kbps: Vec<f64>,
    /// Duration of a step of `capacity_kbps`, seconds.
    pub step_s: f64,
    /// What the link can carry, step by step from the load on.
    pub capacity_kbps: Vec<f64>,
    /// The sessions that came to an end.
    pub sessions: Vec<ChartSession>,
}

/// A session in a chart.
#[derive(Clone, Debug)]
pub struct ChartSession {
    /// Name of the algorithm.
    pub algorithm: String,
    /// What happened.
    pub timeline: Timeline,
    /// When the algorithm chose (seconds) and what throughput it reckoned with (kbit/s).
    pub estimates: Vec<(f64, f64)>,
}

impl Chart {
    /// A chart of sessions over a trace.
    pub fn new(
        trace: &FamilyTrace,
        note: &str,
        content: &Content,
        link: &Link,
        sessions: Vec<ChartSession>,
    ) -> Self {
        let end_s = sessions.iter().map(|s| end(&s.timeline)).fold(0.0, f64::max);
        let end_ms = (end_s * 1000.0) as u64;
        let step_ms = end_ms.div_ceil(MAX_STEPS).max(MIN_STEP_MS);
        let step = |i: u64| Duration::from_millis(i * step_ms);
        let mut capacity_kbps: Vec<f64> = (0..end_ms.div_ceil(step_ms))
            .map(|i| trace.trace.bytes_between(step(i), step(i + 1)) as f64 * 8.0 / step_ms as f64)
            .collect();
        let ms = |at: Instant| at.as_micros() / 1000;
        for outage in link.outages.iter().take_while(|outage| ms(outage.at) < end_ms) {
            let (from, to) = (ms(outage.at), ms(outage.end()));
            let last = (to / step_ms).min(capacity_kbps.len() as u64);
            for i in from / step_ms..=last {
                let lost = to.min((i + 1) * step_ms).saturating_sub(from.max(i * step_ms));
                if let Some(kbps) = capacity_kbps.get_mut(i as usize) {
                    *kbps *= 1.0 - lost as f64 / step_ms as f64;
                }
            }
        }
        Self {
            family: trace.family.clone(),
            trace: trace.trace.name().to_owned(),
            note: note.to_owned(),
            bitrates_kbps: content.bitrates_kbps().to_vec(),
            step_s: step_ms as f64 / 1000.0,
            capacity_kbps,
            sessions,
        }
    }

    pub(super) fn data(&self, families: &[&str], algorithms: &[&str]) -> Data<'_> {
        Data {
            family: families.iter().position(|name| *name == self.family),
            name: &self.trace,
            note: &self.note,
            kbps: self
                .bitrates_kbps
                .iter()
                .map(|kbps| kbps.round() as i64)
                .collect(),
            step_s: self.step_s,
            capacity: self
                .capacity_kbps
                .iter()
                .map(|kbps| kbps.round() as i64)
                .collect(),
            sessions: self
                .sessions
                .iter()
                .filter_map(|session| {
                    let algorithm = algorithms.iter().position(|name| *name == session.algorithm)?;
                    Some(SessionData::new(algorithm, session))
                })
                .collect(),
        }
    }
}

fn end(timeline: &Timeline) -> f64 {
    let buffer = timeline.buffer.last().map_or(0.0, |level| level.at_s);
    let transfer = timeline.transfers.last().map_or(0.0, |transfer| transfer.ended_s);
    let stall = timeline.stalls.last().map_or(0.0, |stall| stall.1);
    buffer.max(transfer).max(stall)
}

/// A chart as it stands in the page. Lists of times are differences to the time before.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    family: Option<usize>,
    name: &'a str,
    note: &'a str,
    kbps: Vec<i64>,
    step_s: f64,
    capacity: Vec<i64>,
    sessions: Vec<SessionData>,
}

#[derive(Serialize)]
struct SessionData {
    algorithm: usize,
    end: i64,
    /// Time, level, …
    buffer: Vec<i64>,
    /// Request, wait for the first byte, wait for the end, rung, 1 if given up, …
    transfers: Vec<i64>,
    /// From, to, …; absolute times.
    stalls: Vec<i64>,
    /// Time, kbit/s, …
    estimates: Vec<i64>,
}

impl SessionData {
    fn new(algorithm: usize, session: &ChartSession) -> Self {
        let timeline = &session.timeline;
        let mut transfers: Vec<_> = timeline.transfers.iter().collect();
        transfers.sort_by(|a, b| a.requested_s.total_cmp(&b.requested_s));
        let mut buffer = Differences::default();
        let levels: Vec<_> = timeline
            .buffer
            .iter()
            .map(|level| (level.at_s, level.buffer_s))
            .collect();
        for (at, level) in straighten(&levels) {
            buffer.push(at, [unit(level)]);
        }
        let mut requests = Differences::default();
        for transfer in transfers {
            requests.push(
                transfer.requested_s,
                [
                    unit(transfer.first_byte_s - transfer.requested_s),
                    unit(transfer.ended_s - transfer.first_byte_s),
                    transfer.rung as i64,
                    i64::from(transfer.abandoned),
                ],
            );
        }
        let mut estimates = Differences::default();
        let mut last = 0.0;
        for (at, kbps) in &session.estimates {
            if last <= 0.0 || *kbps > last * ESTIMATE_TOLERANCE || *kbps < last / ESTIMATE_TOLERANCE {
                estimates.push(*at, [kbps.round() as i64]);
                last = *kbps;
            }
        }
        Self {
            algorithm,
            end: unit(end(timeline)),
            buffer: buffer.values,
            transfers: requests.values,
            stalls: timeline
                .stalls
                .iter()
                .flat_map(|(from, to)| [unit(*from), unit(*to)])
                .collect(),
            estimates: estimates.values,
        }
    }
}

#[derive(Default)]
struct Differences {
    last: i64,
    values: Vec<i64>,
}

impl Differences {
    fn push<const N: usize>(&mut self, at_s: f64, values: [i64; N]) {
        let at = unit(at_s);
        self.values.push(at - self.last);
        self.values.extend(values);
        self.last = at;
    }
}

fn unit(seconds: f64) -> i64 {
    (seconds * PER_SECOND).round() as i64
}

/// The points without those that lie nearly on the line between the ones that are kept: from each kept point on, as far as all
/// slopes to the points passed by agree.
fn straighten(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut slopes = (f64::NEG_INFINITY, f64::INFINITY);
    let mut last = None;
    for &(at, value) in points {
        let Some(&(from, base)) = kept.last() else {
            kept.push((at, value));
            continue;
        };
        let width = at - from;
        let slope = (value - base) / width;
        if width > 0.0 && (slopes.0..=slopes.1).contains(&slope) {
            slopes.0 = slopes.0.max((value - base - BUFFER_TOLERANCE_S) / width);
            slopes.1 = slopes.1.min((value - base + BUFFER_TOLERANCE_S) / width);
        } else {
            let corner = last.unwrap_or((from, base));
            if corner != (from, base) {
                kept.push(corner);
            }
            let width = at - corner.0;
            if width > 0.0 {
                slopes = (
                    (value - corner.1 - BUFFER_TOLERANCE_S) / width,
                    (value - corner.1 + BUFFER_TOLERANCE_S) / width,
                );
            } else {
                kept.push((at, value));
                slopes = (f64::NEG_INFINITY, f64::INFINITY);
            }
        }
        last = Some((at, value));
    }
    kept.extend(last.filter(|last| kept.last() != Some(last)));
    kept
}

#[cfg(test)]
pub(super) mod test {
    use super::*;
    use crate::timeline::{BufferLevel, Transfer};

    /// A chart with `n` transfers.
    pub(in super::super) fn chart(family: &str, trace: &str, algorithm: &str, n: usize) -> Chart {
        let transfers = (0..n)
            .map(|i| Transfer {
                requested_s: i as f64,
                first_byte_s: i as f64 + 0.08,
                ended_s: i as f64 + 0.5,
                segment: i,
                rung: i % 2,
                bytes: 1000,
                abandoned: false,
            })
            .collect();
        let timeline = Timeline {
            buffer: vec![BufferLevel {
                at_s: 0.0,
                buffer_s: 0.0,
            }],
            transfers,
            audio: Vec::new(),
            stalls: vec![(0.0, 0.58)],
        };
        let session = ChartSession {
            algorithm: algorithm.to_owned(),
            timeline,
            estimates: vec![(0.5, 900.0), (1.5, 905.0), (2.5, 500.0)],
        };
        Chart {
            family: family.to_owned(),
            trace: trace.to_owned(),
            note: "worst".to_owned(),
            bitrates_kbps: vec![500.0, 1500.0],
            step_s: 1.0,
            capacity_kbps: vec![800.0, 900.4],
            sessions: vec![session],
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Trace;
    use crate::network::{Outage, Outages};

    #[test]
    fn a_chart_in_numbers() {
        let chart = test::chart("3g", "a", "x", 2);
        let json = serde_json::to_value(chart.data(&["lte", "3g"], &["y", "x"])).unwrap();
        let session = &json["sessions"][0];
        assert_eq!(
            (json["family"].as_u64(), session["algorithm"].as_u64()),
            (Some(1), Some(1))
        );
        assert_eq!(
            session["transfers"],
            serde_json::json!([0, 8, 42, 0, 0, 100, 8, 42, 1, 0])
        );
        assert_eq!(session["estimates"], serde_json::json!([50, 900, 200, 500]));
        assert_eq!(
            (session["end"].as_u64(), json["capacity"][1].as_u64()),
            (Some(150), Some(900))
        );
    }

    #[test]
    fn only_corners_of_the_buffer_are_kept() {
        let saw = [
            (0.0, 0.0),
            (1.0, 1.0),
            (2.0, 2.0),
            (3.0, 1.0),
            (4.0, 0.0),
            (4.0, 3.0),
            (5.0, 2.0),
            (6.0, 1.0),
        ];
        let kept = straighten(&saw);
        assert_eq!(kept, [(0.0, 0.0), (2.0, 2.0), (4.0, 0.0), (4.0, 3.0), (6.0, 1.0)]);
        assert_eq!(straighten(&[]), []);
        assert_eq!(straighten(&saw[..1]), saw[..1]);
    }

    #[test]
    fn what_is_left_out_was_within_the_tolerance() {
        let wave: Vec<(f64, f64)> = (0..500)
            .map(|i| (f64::from(i) * 0.25, 10.0 + 5.0 * libm::sin(f64::from(i) / 20.0)))
            .collect();
        let kept = straighten(&wave);
        assert!(kept.len() < wave.len() / 3, "{}", kept.len());
        for (at, value) in &wave {
            let next = kept.iter().position(|(t, _)| t >= at).unwrap().max(1);
            let ((t0, v0), (t1, v1)) = (kept[next - 1], kept[next]);
            let on_line = v0 + (v1 - v0) * (at - t0) / (t1 - t0);
            assert!(
                (on_line - value).abs() <= 2.0 * BUFFER_TOLERANCE_S,
                "{at}: {on_line}, not {value}"
            );
        }
    }

    #[test]
    fn capacity_is_the_mean_of_each_step_without_outages() {
        let table = br#"{"segment_duration_ms": 1000, "bitrates_kbps": [1], "segment_sizes_bits": [[8]]}"#;
        let content = Content::parse(std::path::Path::new("t.json"), table).unwrap();
        let trace = FamilyTrace {
            family: "3g".to_owned(),
            trace: Trace::constant("t", 1000.0, 0.0).unwrap(),
        };
        let sessions = test::chart("3g", "t", "x", 2000).sessions;
        let chart = Chart::new(&trace, "", &content, &Link::default(), sessions.clone());
        assert!(chart.capacity_kbps.len() <= MAX_STEPS as usize);
        assert!((chart.step_s * chart.capacity_kbps.len() as f64 - 1999.5).abs() < 2.0);
        assert!(chart.capacity_kbps.iter().all(|kbps| (kbps - 1000.0).abs() < 0.1));
        let outage = Outage {
            at: Instant::from_micros(3_000_000),
            duration: Duration::from_secs(10),
        };
        let link = Link {
            outages: Outages::at(vec![outage]),
            ..Link::default()
        };
        let cut = Chart::new(&trace, "", &content, &link, sessions);
        let lost: f64 = cut
            .capacity_kbps
            .iter()
            .map(|kbps| (1000.0 - kbps) * cut.step_s)
            .sum();
        assert!((lost - 10_000.0).abs() < 1.0, "{lost} kbit");
        assert!(cut.capacity_kbps[3] < 1.0);
    }
}
