//! A virtual network: requests that wait one round trip and then share a bottleneck link.
//!
//! The link's bandwidth is a [`Trace`]; requests whose body flows share it equally. A request costs one round trip: the
//! trace's latency at the time of the request, or [`DEFAULT_RTT`] where that is unknown. A [`Link`] adds what the yardstick
//! leaves out:
//!
//! - *Slow start.* All requests go over one connection (as with HTTP/2, so that giving one up costs the connection nothing),
//!   whose congestion window is [`INITIAL_PACKETS`] packets of [`PACKET_BYTES`] at first, doubles with each round trip until
//!   the link is the bottleneck, and starts anew once nothing was carried for max([`MIN_RTO`], 3 RTT). Losses do not shrink
//!   it: the link never drops what it can still queue.
//! - *Outages.* The connection breaks: at once, all requests in flight fail. A request made meanwhile tries to connect, again
//!   after 1, 3, 7 and 15 s (the time-outs of RFC 6298), and fails after [`CONNECT_TIMEOUT`]; once it gets through it costs its
//!   round trip as ever. The new connection starts slowly, if slow start counts.

mod outages;
mod window;

pub use outages::{Iter as OutagesIter, Outage, Outages, OutagesError};
pub use window::{INITIAL_PACKETS, MIN_RTO, PACKET_BYTES};

use player_core::Instant;
use player_core::input::RequestId;
use std::time::Duration;

use crate::trace::{DEFAULT_RTT, MICROBITS_PER_BYTE, Trace};
use window::Window;

/// Time between two reports of progress of a body.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// How long a request tries to connect.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(21);
/// When it tries, after the request.
const CONNECT_ATTEMPTS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(7),
    Duration::from_secs(15),
];

/// What a link does besides carrying what the trace says. The default is the yardstick: neither of these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// Transfers start slowly after the connection was made or was idle.
    pub slow_start: bool,
    /// When the connection is lost.
    pub outages: Outages,
}

/// Requests in flight on a link.
#[derive(Clone, Debug)]
pub struct Network<'a> {
    trace: &'a Trace,
    now: Instant,
    /// What the trace could have carried until now, microbits.
    carried: u128,
    /// `None` without slow start.
    window: Option<Window>,
    outages: OutagesIter,
    /// The outage that is or comes next.
    outage: Option<Outage>,
    /// It is.
    out: bool,
    /// In the order of the requests.
    flights: Vec<Flight>,
    /// How many of them have their body flow.
    flowing: u32,
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
    /// The connection broke after this many bytes of the body. The request has ended.
    Broken(u64),
    /// No connection could be made. The request has ended.
    Unreachable,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    request: RequestId,
    bytes: u64,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Tries to connect.
    Connecting {
        since: Instant,
        /// Index of the next try in [`CONNECT_ATTEMPTS`]; past them it gives up.
        attempt: usize,
    },
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
    pub fn new(trace: &'a Trace, link: &Link) -> Self {
        let mut outages = link.outages.iter();
        Self {
            trace,
            now: Instant::ZERO,
            carried: 0,
            window: link.slow_start.then(Window::new),
            outage: outages.next(),
            outages,
            out: false,
            flights: Vec::new(),
            flowing: 0,
        }
    }

    /// Round-trip time of a request made now.
    pub fn rtt(&self) -> Duration {
        self.trace.latency(elapsed(self.now)).unwrap_or(DEFAULT_RTT)
    }

    /// Starts a request for a body of `bytes`. Call [`Network::advance`] to the present first.
    pub fn request(&mut self, request: RequestId, bytes: u64) {
        let state = if self.out {
            State::Connecting {
                since: self.now,
                attempt: 0,
            }
        } else {
            State::Asked(self.now + self.rtt())
        };
        self.flights.push(Flight {
            request,
            bytes,
            state,
        });
    }

    /// Forgets a request: it does not use the link any more. Unknown ones are ignored.
    pub fn cancel(&mut self, request: RequestId) {
        self.flights.retain(|flight| flight.request != request);
        self.flowed();
    }

    /// Requests in flight.
    pub const fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Bytes of a request's body that have come so far.
    pub fn received(&self, request: RequestId) -> u64 {
        let flight = self.flights.iter().find(|flight| flight.request == request);
        flight.map_or(0, Flight::received)
    }

    /// When [`Network::advance`] will next have something to do; `None` if nothing is in flight.
    pub fn next(&self) -> Option<Instant> {
        if self.flights.is_empty() {
            return None;
        }
        let timers = self.flights.iter().map(|flight| match flight.state {
            State::Asked(first_byte) => first_byte,
            State::Connecting { since, attempt } => connect_at(since, attempt),
            State::Flowing { next_progress, .. } => next_progress,
        });
        let limit = self.window.as_ref().and_then(Window::left);
        let least_left = self.flights.iter().filter_map(|flight| flight.state.left()).min();
        let needed = least_left.map(|left| left.saturating_mul(u128::from(self.flowing)));
        let end = needed
            .filter(|needed| limit.is_none_or(|limit| *needed <= limit))
            .map(|needed| {
                let end = self.trace.time_of(self.carried + needed);
                Instant::ZERO + end.max(elapsed(self.now))
            });
        let round_end = self.window.as_ref().and_then(Window::round_end);
        let outage = self.outage.map(|outage| outage.at).filter(|at| *at > self.now);
        timers
            .chain(end)
            .chain(round_end.filter(|_| self.flowing > 0))
            .chain(outage)
            .min()
    }

    /// Lets time pass until `now`, which must not be after [`Network::next`], and adds what arrives at `now` to `out`, in the
    /// order of the requests.
    pub fn advance(&mut self, now: Instant, out: &mut Vec<Arrival>) {
        let share = self.carry(now);
        self.now = self.now.max(now);
        let broke = self.pass_outages();
        let moment = Moment {
            now: self.now,
            share,
            broke,
            out: self.out,
            rtt: self.rtt(),
        };
        self.flights.retain_mut(|flight| flight.advance(&moment, out));
        self.flowed();
    }

    /// Carries what can be carried until `now`; how much of it is each flowing request's.
    fn carry(&mut self, now: Instant) -> u128 {
        let carried = self.trace.carried(elapsed(now)).max(self.carried);
        let could = carried - self.carried;
        self.carried = carried;
        let sharing = u128::from(self.flowing);
        let limit = self.window.as_ref().and_then(Window::left);
        let share = limit
            .map_or(could, |limit| could.min(limit))
            .checked_div(sharing)
            .unwrap_or_default();
        if let Some(window) = &mut self.window {
            window.carry(share * sharing);
        }
        share
    }

    /// Lets outages begin and end; whether the connection broke.
    fn pass_outages(&mut self) -> bool {
        let mut broke = false;
        while let Some(outage) = self.outage.filter(|outage| outage.at <= self.now) {
            if !self.out {
                self.out = true;
                broke = true;
            }
            if self.now < outage.end() {
                break;
            }
            self.out = false;
            self.outage = self.outages.next();
        }
        if let Some(window) = self.window.as_mut().filter(|_| broke) {
            *window = Window::new();
            self.flowing = 0;
        }
        broke
    }

    /// Counts the requests whose body flows, and keeps the window in step.
    fn flowed(&mut self) {
        let flowing = self.flights.iter().filter(|f| f.state.left().is_some()).count();
        let before = core::mem::replace(&mut self.flowing, u32::try_from(flowing).unwrap_or(u32::MAX));
        let Some(window) = &mut self.window else { return };
        let rtt = self.trace.latency(elapsed(self.now)).unwrap_or(DEFAULT_RTT);
        match (before > 0, flowing > 0) {
            (false, true) => window.resume(self.now, rtt),
            (true, false) => window.pause(self.now),
            (true, true) if window.round_end().is_some_and(|end| end <= self.now) => {
                window.next_round(self.now, rtt, u128::from(before));
            }
            _ => {}
        }
    }
}

/// What a request must know of a moment.
struct Moment {
    now: Instant,
    /// Microbits that each flowing request got since the moment before.
    share: u128,
    /// The connection broke.
    broke: bool,
    /// There is no connection.
    out: bool,
    rtt: Duration,
}

impl Flight {
    /// False if it has ended.
    fn advance(&mut self, moment: &Moment, out: &mut Vec<Arrival>) -> bool {
        let now = moment.now;
        let mut tell = |what| {
            out.push(Arrival {
                request: self.request,
                what,
            });
        };
        match &mut self.state {
            State::Connecting { since, attempt } => {
                if now < connect_at(*since, *attempt) {
                    return true;
                }
                if !moment.out {
                    self.state = State::Asked(now + moment.rtt);
                    return true;
                }
                *attempt += 1;
                if *attempt > CONNECT_ATTEMPTS.len() {
                    tell(What::Unreachable);
                    return false;
                }
                return true;
            }
            State::Asked(_) if moment.broke => {
                tell(What::Broken(0));
                return false;
            }
            State::Asked(first_byte) => {
                if now < *first_byte {
                    return true;
                }
                tell(What::Headers(self.bytes));
                self.state = State::Flowing {
                    left: u128::from(self.bytes) * MICROBITS_PER_BYTE,
                    next_progress: now + PROGRESS_INTERVAL,
                    reported: 0,
                };
            }
            State::Flowing { left, .. } => *left = left.saturating_sub(moment.share),
        }
        let bytes = self.received();
        if let State::Flowing {
            left,
            next_progress,
            reported,
        } = &mut self.state
        {
            if *left == 0 {
                tell(What::Complete(self.bytes));
                return false;
            }
            if moment.broke {
                tell(What::Broken(bytes));
                return false;
            }
            if *next_progress <= now {
                *next_progress = now + PROGRESS_INTERVAL;
                if bytes > *reported {
                    *reported = bytes;
                    tell(What::Progress(bytes));
                }
            }
        }
        true
    }

    /// Whole bytes of its body so far.
    fn received(&self) -> u64 {
        self.state.left().map_or(0, |left| {
            let missing = u64::try_from(left.div_ceil(MICROBITS_PER_BYTE)).unwrap_or(u64::MAX);
            self.bytes.saturating_sub(missing)
        })
    }
}

impl State {
    /// Microbits that have still to come, if its body flows.
    const fn left(self) -> Option<u128> {
        match self {
            Self::Asked(_) | Self::Connecting { .. } => None,
            Self::Flowing { left, .. } => Some(left),
        }
    }
}

/// When a request tries to connect again, or gives up.
fn connect_at(since: Instant, attempt: usize) -> Instant {
    since + CONNECT_ATTEMPTS.get(attempt).copied().unwrap_or(CONNECT_TIMEOUT)
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

    pub(super) fn trace(points: &[(f64, f64, f64)]) -> Trace {
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
    pub(super) fn drain(network: &mut Network<'_>) -> Vec<(f64, u64, What)> {
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
        let mut network = Network::new(&trace, &Link::default());
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
        let mut network = Network::new(&trace, &Link::default());
        network.request(RequestId(1), 100);
        assert_eq!(
            drain(&mut network),
            vec![(80.0, 1, What::Headers(100)), (81.0, 1, What::Complete(100))]
        );
    }

    #[test]
    fn bodies_share_the_link_equally_and_a_cancelled_one_leaves_it() {
        let trace = trace(&[(1000.0, 800.0, 10.0)]);
        let mut network = Network::new(&trace, &Link::default());
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

        let mut network = Network::new(&trace, &Link::default());
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
        let mut network = Network::new(&trace, &Link::default());
        network.request(RequestId(1), 10_000);
        // 9000 bytes by 100 ms, the rest in the next period, by 1010 ms. Progress only where bytes came.
        let expected = vec![
            (10.0, 1, What::Headers(10_000)),
            (260.0, 1, What::Progress(9000)),
            (1010.0, 1, What::Complete(10_000)),
        ];
        assert_eq!(drain(&mut network), expected);
    }

    #[test]
    fn an_empty_body_is_complete_with_its_headers() {
        let trace = trace(&[(100.0, 800.0, 30.0), (1000.0, 0.0, 30.0)]);
        for slow_start in [false, true] {
            let link = Link {
                slow_start,
                ..Link::default()
            };
            let mut network = Network::new(&trace, &link);
            network.request(RequestId(1), 0);
            assert_eq!(
                drain(&mut network),
                [(30.0, 1, What::Headers(0)), (30.0, 1, What::Complete(0))]
            );
            assert_eq!(network.in_flight(), 0);
        }
    }

    #[test]
    fn what_is_given_up_leaves_the_link_whatever_it_waits_for() {
        let trace = trace(&[(1000.0, 800.0, 30.0)]);
        let outages = Outages::random(0.5, 2.0, 3).unwrap();
        let first = outages.iter().next().unwrap();
        let link = Link {
            slow_start: true,
            outages,
        };
        for at in [Instant::ZERO, Instant::from_micros(60_000), first.at] {
            let mut network = Network::new(&trace, &link);
            network.request(RequestId(1), 1_000_000);
            while network.next().is_some_and(|next| next <= at) {
                network.advance(network.next().unwrap(), &mut Vec::new());
            }
            network.request(RequestId(2), 5);
            network.cancel(RequestId(1));
            network.cancel(RequestId(2));
            network.cancel(RequestId(7));
            assert_eq!((network.in_flight(), network.next()), (0, None));
            assert_eq!(network.received(RequestId(1)), 0);
        }
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
            let mut network = Network::new(&trace, &Link::default());
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
