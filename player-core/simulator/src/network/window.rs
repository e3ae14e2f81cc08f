//! Slow start of a TCP connection (RFC 5681), as far as it shapes what a player sees.

use std::time::Duration;

use player_core::Instant;

use crate::trace::MICROBITS_PER_BYTE;

/// Payload of a packet, bytes.
pub const PACKET_BYTES: u64 = 1460;
/// Packets of a new connection's first round trip (RFC 6928).
pub const INITIAL_PACKETS: u64 = 10;
/// The least retransmission time-out (RFC 6298, 2.4): a connection that was idle for longer starts slowly again.
pub const MIN_RTO: Duration = Duration::from_secs(1);

const INITIAL: u128 = (PACKET_BYTES * INITIAL_PACKETS) as u128 * MICROBITS_PER_BYTE;

/// The congestion window of the one connection that all requests share; amounts are microbits.
///
/// Time is cut into round trips. In each of them the link carries the window's worth at most, and then waits for
/// acknowledgements; what was carried is added to the window, which so doubles. Once the link could not carry the window
/// within a round trip, it is the bottleneck, and the window limits nothing any more, until the connection was idle.
#[derive(Clone, Debug)]
pub(super) struct Window {
    size: u128,
    /// The link is the bottleneck.
    full: bool,
    round: Option<Round>,
    /// When the last byte was carried.
    last_byte: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    end: Instant,
    left: u128,
}

impl Window {
    /// That of a new connection.
    pub(super) const fn new() -> Self {
        Self {
            size: INITIAL,
            full: false,
            round: None,
            last_byte: Instant::ZERO,
        }
    }

    /// What may be carried before [`Window::round_end`]; `None` if it limits nothing.
    pub(super) fn left(&self) -> Option<u128> {
        self.round.map(|round| round.left)
    }

    /// When the window grows.
    pub(super) fn round_end(&self) -> Option<Instant> {
        self.round.map(|round| round.end)
    }

    /// That much was carried.
    pub(super) fn carry(&mut self, microbits: u128) {
        if let Some(round) = &mut self.round {
            round.left = round.left.saturating_sub(microbits);
        }
    }

    /// There is something to carry again. The window starts anew if the connection was idle for longer than the
    /// retransmission time-out, max(1 s, 3 RTT) (RFC 5681, 4.1; RFC 6298 with the first measurement's variance).
    pub(super) fn resume(&mut self, now: Instant, rtt: Duration) {
        if now.since(self.last_byte) > MIN_RTO.max(rtt.saturating_mul(3)) {
            *self = Self::new();
        }
        self.begin(now, rtt);
    }

    /// There is nothing more to carry. A window that was not used up grows by what was used of it only.
    pub(super) fn pause(&mut self, now: Instant) {
        if let Some(round) = self.round.take() {
            self.grow(round);
        }
        self.last_byte = now;
    }

    /// A round trip is over and there is more to carry, in `parts`: less than one microbit each is rounding.
    pub(super) fn next_round(&mut self, now: Instant, rtt: Duration, parts: u128) {
        if let Some(round) = self.round.take() {
            self.full = round.left >= parts.max(1);
            self.grow(round);
            self.begin(now, rtt);
        }
    }

    fn begin(&mut self, now: Instant, rtt: Duration) {
        self.round = (!self.full).then(|| Round {
            end: now + rtt.max(Duration::from_micros(1)),
            left: self.size,
        });
    }

    const fn grow(&mut self, round: Round) {
        let used = self.size.saturating_sub(round.left);
        // Far more than any link carries in a round trip.
        if self.size < 1 << 100 {
            self.size += used;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use player_core::input::RequestId;
    use proptest::prelude::*;

    use super::super::tests::{drain, trace};
    use super::super::{Link, Network, Outage, Outages, What};

    const SLOW: Link = Link {
        slow_start: true,
        outages: Outages::NONE,
    };

    /// When each request is complete, ms.
    fn ends(events: &[(f64, u64, What)]) -> Vec<f64> {
        let complete = |e: &&(f64, u64, What)| matches!(e.2, What::Complete(_));
        events.iter().filter(complete).map(|e| e.0).collect()
    }

    /// When a request that is made at `at_ms` is complete, ms.
    fn request(network: &mut Network<'_>, at_ms: f64, bytes: u64) -> f64 {
        let at = player_core::Instant::from_micros((at_ms * 1000.0) as u64);
        network.advance(at, &mut Vec::new());
        network.request(RequestId(1), bytes);
        ends(&drain(network))[0]
    }

    #[test]
    fn the_window_doubles_each_round_trip_until_the_link_is_full() {
        // 80 Mbit/s are 10 000 bytes a millisecond, 100 ms a round trip: a million bytes of them fill it.
        let trace = trace(&[(1000.0, 80_000.0, 100.0)]);
        let mut network = Network::new(&trace, &SLOW);
        // 14 600, 29 200, …, 934 400 in rounds 0 to 6, then the link is full: 1 854 200 bytes are there at its start at
        // 800 ms, and the remaining 10 000 000 take a second.
        let end = request(&mut network, 0.0, 11_854_200);
        assert!((end - 1800.0).abs() < 0.01, "{end}");
        // At once again: one round trip and the bytes.
        let end = request(&mut network, end, 1_000_000);
        assert!((end - 2000.0).abs() < 0.01, "{end}");
        // A second of silence, from the last byte to the first one, is not too long; a little more is.
        let end = request(&mut network, end + 900.0, 1_000_000);
        assert!((end - 3100.0).abs() < 0.01, "{end}");
        let end = request(&mut network, end + 900.1, 1_000_000);
        // 919 800 bytes in six rounds, the remaining 80 200 take 8.02 ms.
        assert!((end - (4000.1 + 100.0 + 600.0 + 8.02)).abs() < 0.01, "{end}");
    }

    #[test]
    fn small_requests_open_the_window_by_what_they_used() {
        let trace = trace(&[(1000.0, 80_000.0, 100.0)]);
        let mut network = Network::new(&trace, &SLOW);
        let end = request(&mut network, 0.0, 5000);
        assert!((end - 100.5).abs() < 0.01, "{end}");
        // 19 600 are in the window now, the others come a round trip later.
        let end = request(&mut network, end, 20_000);
        assert!((end - (200.5 + 100.0 + 0.04)).abs() < 0.01, "{end}");
    }

    #[test]
    fn requests_share_one_window_and_a_lost_connection_forgets_it() {
        let trace = trace(&[(1000.0, 80_000.0, 100.0)]);
        let link = Link {
            outages: Outages::at(vec![Outage {
                at: player_core::Instant::from_micros(700_000),
                duration: std::time::Duration::from_millis(1),
            }]),
            ..SLOW
        };
        let mut network = Network::new(&trace, &link);
        for i in 0..2 {
            network.request(RequestId(i), 14_600);
        }
        // 7300 of each in the first round, the rest at the beginning of the second.
        let ends = ends(&drain(&mut network));
        assert!(ends.iter().all(|end| (end - 201.46).abs() < 0.01), "{ends:?}");
        let end = request(&mut network, 701.0, 14_600);
        let late = request(&mut network, end, 40_000);
        assert!((end - 802.46).abs() < 1.01, "{end}");
        // 29 200 fit, 10 800 come a round trip later.
        assert!((late - (end + 201.08)).abs() < 0.01, "{late}");
    }

    proptest! {
        #[test]
        fn it_only_delays_and_never_by_more_than_the_doublings(
            sizes in prop::collection::vec(1_u64..5_000_000, 1..5),
            pieces in prop::collection::vec((1_u32..3000, 100_u32..500_000), 1..10),
            rtt_ms in 1_u32..400,
        ) {
            let rtt = f64::from(rtt_ms);
            let points: Vec<_> = pieces.iter().map(|&(ms, kbps)| (f64::from(ms), f64::from(kbps), rtt)).collect();
            let trace = trace(&points);
            let plain = Link::default();
            let last = |link: &Link| {
                let mut network = Network::new(&trace, link);
                for (i, bytes) in sizes.iter().enumerate() {
                    network.request(RequestId(i as u64), *bytes);
                }
                let ends = ends(&drain(&mut network));
                assert_eq!(ends.len(), sizes.len());
                *ends.last().unwrap()
            };
            let (fast, slow) = (last(&plain), last(&SLOW));
            // 2^11 initial windows are more than all sizes together.
            prop_assert!(slow >= fast - 0.01, "{slow} {fast}");
            let limited = 12.0 * rtt;
            let total: u64 = sizes.iter().sum();
            // From the end of the doublings on, nothing but the link limits.
            let bound = trace.transfer_end(std::time::Duration::from_micros(((rtt + limited) * 1000.0) as u64), total);
            prop_assert!(slow <= bound.as_secs_f64() * 1000.0 + 0.05, "{slow} {bound:?}");
        }
    }
}
