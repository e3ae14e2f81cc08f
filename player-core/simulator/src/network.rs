//! A virtual network: requests that wait one round trip and then share a bottleneck link.
//!
//! The link's bandwidth is a [`Trace`]; requests whose body flows share it equally. There is no slow start, and a request
//! costs one round trip: the trace's latency at the time of the request, or [`DEFAULT_RTT`] where that is unknown.

use player_core::Instant;
use player_core::input::RequestId;
use std::time::Duration;

use crate::trace::{DEFAULT_RTT, MICROBITS_PER_BYTE, Trace};

/// Time between two reports of progress of a body.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Requests in flight on a link.
#[derive(Clone, Debug)]
pub struct Network<'a> {
    trace: &'a Trace,
    now: Instant,
    /// In the order of the requests.
    flights: Vec<Flight>,
}

/// Something that the network tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Of which request.
    pub request: RequestId,
    /// What.
    pub what: What,
}

/// What has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The headers; the body begins to flow. It has this many bytes.
    Headers(u64),
    /// Bytes of the body so far: more than at the report before.
    Progress(u64),
    /// The whole body, of this many bytes.
    Complete(u64),
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    request: RequestId,
    bytes: u64,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Until the first byte.
    Asked(Instant),
    Flowing {
        /// Microbits still to come.
        left: u128,
        next_progress: Instant,
        reported: u64,
    },
}

impl<'a> Network<'a> {
    /// A link that nobody uses; the trace begins at the clock's origin.
    pub const fn new(trace: &'a Trace) -> Self {
        Self {
            trace,
            now: Instant::ZERO,
            flights: Vec::new(),
        }
    }

    /// Round-trip time of a request made now.
    pub fn rtt(&self) -> Duration {
        self.trace.latency(elapsed(self.now)).unwrap_or(DEFAULT_RTT)
    }

    /// Starts a request for a body of `bytes`. Call [`Network::advance`] to the present first.
    pub fn request(&mut self, request: RequestId, bytes: u64) {
        let state = State::Asked(self.now + self.rtt());
        self.flights.push(Flight {
            request,
            bytes,
            state,
        });
    }

    /// Forgets a request: it does not use the link any more. Unknown ones are ignored.
    pub fn cancel(&mut self, request: RequestId) {
        self.flights.retain(|flight| flight.request != request);
    }

    /// Requests in flight.
    pub const fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// When [`Network::advance`] will next have something to do; `None` if nothing is in flight.
    pub fn next(&self) -> Option<Instant> {
        let sharing = self.sharing();
        let least_left = self.flights.iter().filter_map(|flight| flight.state.left()).min();
        let end = least_left.map(|left| {
            let carried = self.trace.carried(elapsed(self.now)) + left.saturating_mul(sharing);
            Instant::ZERO + self.trace.time_of(carried).max(elapsed(self.now))
        });
        let timers = self.flights.iter().map(|flight| match flight.state {
            State::Asked(first_byte) => first_byte,
            State::Flowing { next_progress, .. } => next_progress,
        });
        timers.chain(end).min()
    }

    /// Lets time pass until `now`, which must not be after [`Network::next`], and adds what arrives at `now` to `out`, in the
    /// order of the requests.
    pub fn advance(&mut self, now: Instant, out: &mut Vec<Arrival>) {
        let carried = self
            .trace
            .carried(elapsed(now))
            .saturating_sub(self.trace.carried(elapsed(self.now)));
        let share = carried.checked_div(self.sharing()).unwrap_or_default();
        self.now = self.now.max(now);
        let now = self.now;
        self.flights.retain_mut(|flight| {
            let request = flight.request;
            if let State::Flowing { left, .. } = &mut flight.state {
                *left = left.saturating_sub(share);
            }
            if let State::Asked(first_byte) = flight.state
                && first_byte <= now
            {
                out.push(Arrival {
                    request,
                    what: What::Headers(flight.bytes),
                });
                let left = u128::from(flight.bytes) * MICROBITS_PER_BYTE;
                flight.state = State::Flowing {
                    left,
                    next_progress: now + PROGRESS_INTERVAL,
                    reported: 0,
                };
            }
            if let State::Flowing {
                left,
                next_progress,
                reported,
            } = &mut flight.state
            {
                if *left == 0 {
                    out.push(Arrival {
                        request,
                        what: What::Complete(flight.bytes),
                    });
                    return false;
                }
                if *next_progress <= now {
                    *next_progress = now + PROGRESS_INTERVAL;
                    let missing = u64::try_from(left.div_ceil(MICROBITS_PER_BYTE)).unwrap_or(u64::MAX);
                    let bytes = flight.bytes.saturating_sub(missing);
                    if bytes > *reported {
                        *reported = bytes;
                        out.push(Arrival {
                            request,
                            what: What::Progress(bytes),
                        });
                    }
                }
            }
            true
        });
    }

    fn sharing(&self) -> u128 {
        self.flights
            .iter()
            .filter(|flight| flight.state.left().is_some())
            .count() as u128
    }
}

impl State {
    const fn left(self) -> Option<u128> {
        match self {
            Self::Asked(_) => None,
            Self::Flowing { left, .. } => Some(left),
        }
    }
}

const fn elapsed(at: Instant) -> Duration {
    at.since(Instant::ZERO)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::trace::Point;

    fn trace(points: &[(f64, f64, f64)]) -> Trace {
        let points: Vec<_> = points
            .iter()
            .map(|&(duration_ms, bandwidth_kbps, latency_ms)| Point {
                duration_ms,
                bandwidth_kbps,
                latency_ms,
            })
            .collect();
        Trace::new("t", &points).unwrap()
    }

    /// Runs to the end; (milliseconds, request, what).
    fn drain(network: &mut Network<'_>) -> Vec<(f64, u64, What)> {
        let mut all = Vec::new();
        while let Some(at) = network.next() {
            let mut out = Vec::new();
            network.advance(at, &mut out);
            all.extend(
                out.iter()
                    .map(|a| (at.as_micros() as f64 / 1000.0, a.request.0, a.what)),
            );
        }
        all
    }

    #[test]
    fn one_request_costs_a_round_trip_and_its_bits() {
        let trace = trace(&[(1000.0, 800.0, 30.0)]);
        let mut network = Network::new(&trace);
        network.request(RequestId(1), 60_000);
        // 100 bytes a millisecond: headers at 30 ms, 60 000 bytes take 600 ms.
        let expected = vec![
            (30.0, 1, What::Headers(60_000)),
            (280.0, 1, What::Progress(25_000)),
            (530.0, 1, What::Progress(50_000)),
            (630.0, 1, What::Complete(60_000)),
        ];
        assert_eq!(drain(&mut network), expected);
    }

    #[test]
    fn unknown_latency_is_eighty_milliseconds() {
        let trace = trace(&[(1000.0, 800.0, 0.0)]);
        let mut network = Network::new(&trace);
        network.request(RequestId(1), 100);
        assert_eq!(
            drain(&mut network),
            vec![(80.0, 1, What::Headers(100)), (81.0, 1, What::Complete(100))]
        );
    }

    #[test]
    fn bodies_share_the_link_equally_and_a_cancelled_one_leaves_it() {
        let trace = trace(&[(1000.0, 800.0, 10.0)]);
        let mut network = Network::new(&trace);
        network.request(RequestId(1), 10_000);
        network.request(RequestId(2), 20_000);
        // Both flow from 10 ms at 50 bytes a millisecond; the first ends at 210 ms, then the second has 10 000 bytes left
        // at 100 a millisecond.
        let ends: Vec<_> = drain(&mut network)
            .into_iter()
            .filter(|e| matches!(e.2, What::Complete(_)))
            .collect();
        assert_eq!(
            ends,
            vec![
                (210.0, 1, What::Complete(10_000)),
                (310.0, 2, What::Complete(20_000))
            ]
        );

        let mut network = Network::new(&trace);
        network.request(RequestId(1), 10_000);
        network.request(RequestId(2), 20_000);
        let mut out = Vec::new();
        network.advance(network.next().unwrap(), &mut out);
        network.advance(Instant::from_micros(110_000), &mut out);
        network.cancel(RequestId(1));
        // 5000 of the second had come by 110 ms; 15 000 take 150 ms.
        assert_eq!(drain(&mut network), vec![(260.0, 2, What::Complete(20_000))]);
    }

    #[test]
    fn an_outage_is_silent_and_the_trace_starts_again() {
        // 100 bytes a millisecond for 100 ms, then nothing for 900 ms.
        let trace = trace(&[(100.0, 800.0, 10.0), (900.0, 0.0, 10.0)]);
        let mut network = Network::new(&trace);
        network.request(RequestId(1), 10_000);
        // 9000 bytes by 100 ms, the rest in the next period, by 1010 ms. Progress only where bytes came.
        let expected = vec![
            (10.0, 1, What::Headers(10_000)),
            (260.0, 1, What::Progress(9000)),
            (1010.0, 1, What::Complete(10_000)),
        ];
        assert_eq!(drain(&mut network), expected);
    }

    proptest! {
        #[test]
        fn together_they_take_as_long_as_one_of_their_sum(
            sizes in prop::collection::vec(1_u64..200_000, 1..6),
            pieces in prop::collection::vec((1_u32..3000, 0_u32..5000), 1..10),
        ) {
            let mut points: Vec<_> = pieces.iter().map(|&(ms, kbps)| (f64::from(ms), f64::from(kbps), 25.0)).collect();
            points.push((100.0, 500.0, 25.0));
            let trace = trace(&points);
            let mut network = Network::new(&trace);
            for (i, bytes) in sizes.iter().enumerate() {
                network.request(RequestId(i as u64), *bytes);
            }
            let events = drain(&mut network);
            let last = events.last().unwrap().0;
            let alone = trace.transfer_end(Duration::from_millis(25), sizes.iter().sum());
            prop_assert!((last - alone.as_secs_f64() * 1000.0).abs() < 0.05, "{} {:?}", last, alone);
        }
    }
}
