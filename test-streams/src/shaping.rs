//! A bottleneck link: every response goes through it, and its capacity and latency follow a network trace.
//!
//! The link carries one small packet at a time, in turn from each response that has bytes to send, which divides the
//! capacity evenly among them (round robin, as fair queueing does). When a packet is through is computed from the trace
//! and not from when a timer happened to fire, so that timers' lateness does not add up. A response that is dropped
//! leaves the queue at once.
//!
//! Only body bytes count; headers and acknowledgements are free. Each request waits once for the round trip of the moment,
//! before the first byte of its answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use simulator::trace::{DEFAULT_RTT, PointsError, Trace};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// What a link is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Capacity and latency over time; at its end it begins again.
    pub trace: Trace,
    /// In place of the trace's latency. Without it and where the trace does not know it, [`DEFAULT_RTT`], as in the
    /// simulator.
    pub latency: Option<Duration>,
}

impl Shape {
    /// A link that never changes.
    ///
    /// # Errors
    /// If a number is out of range or the capacity is zero.
    pub fn constant(bandwidth_kbps: f64, latency: Duration) -> Result<Self, PointsError> {
        let name = format!("{bandwidth_kbps} kbit/s");
        Ok(Self {
            trace: Trace::constant(&name, bandwidth_kbps, 0.0)?,
            latency: Some(latency),
        })
    }

    /// The round trip at a time since the start.
    pub fn latency(&self, at: Duration) -> Duration {
        self.latency
            .or_else(|| self.trace.latency(at))
            .unwrap_or(DEFAULT_RTT)
    }
}

impl From<Trace> for Shape {
    fn from(trace: Trace) -> Self {
        Self { trace, latency: None }
    }
}

/// A link shared by all responses. Clones are the same link.
#[derive(Clone, Debug)]
pub struct Link {
    shared: Arc<Shared>,
}

/// One response's way over a [`Link`].
#[derive(Debug)]
pub struct Flow {
    link: Link,
    /// When the previous packet was through.
    ready_at: Instant,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Counts the shapes; a packet under way starts anew under the next one.
    epoch: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    shape: Option<Arc<Shape>>,
    /// When the shape began; `None` until the first request.
    origin: Option<Instant>,
    /// When the last packet was through.
    free_at: Option<Instant>,
    /// Whose packet is on the link.
    current: Option<u64>,
    waiting: VecDeque<Waiting>,
    tickets: u64,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    /// When its bytes were there to be sent.
    ready_at: Instant,
    /// Takes the time at which its turn began.
    turn: oneshot::Sender<Instant>,
}

impl Link {
    /// A link with this shape, or one without limits.
    pub fn new(shape: Option<Shape>) -> Self {
        let state = State {
            shape: shape.map(Arc::new),
            ..State::default()
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                epoch: watch::Sender::new(0),
            }),
        }
    }

    /// Puts another shape in force, from its beginning and at once, also for the responses in flight.
    pub fn set_shape(&self, shape: Option<Shape>) {
        {
            let mut state = self.shared.lock();
            state.shape = shape.map(Arc::new);
            state.origin = Some(Instant::now());
            state.free_at = None;
        }
        self.shared.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Goes back to the beginning of the shape; it starts with the next packet or request.
    pub fn reset(&self) {
        {
            let mut state = self.shared.lock();
            state.origin = None;
            state.free_at = None;
        }
        self.shared.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// The shape in force.
    pub fn shape(&self) -> Option<Arc<Shape>> {
        self.shared.lock().shape.clone()
    }

    /// The position in the shape: zero until the first request.
    pub fn position(&self) -> Duration {
        let now = Instant::now();
        self.shared
            .lock()
            .origin
            .map_or(Duration::ZERO, |origin| now.saturating_duration_since(origin))
    }

    /// Begins an answer: returns when the latency of the moment has passed.
    pub async fn open(&self) -> Flow {
        let now = Instant::now();
        let latency = {
            let mut state = self.shared.lock();
            let position = state.position(now);
            state
                .shape
                .as_ref()
                .map_or(Duration::ZERO, |shape| shape.latency(position))
        };
        let ready_at = now + latency;
        sleep_until(ready_at).await;
        Flow {
            link: self.clone(),
            ready_at,
        }
    }
}

impl Flow {
    /// How many bytes make a good packet now: some 20 ms of the link, so that a share is given and freed quickly.
    pub fn packet_bytes(&self) -> usize {
        let mut state = self.link.shared.lock();
        let Some(shape) = state.shape.clone() else {
            return MAX_PACKET_BYTES;
        };
        let position = state.position(Instant::now());
        let bytes = shape.trace.bandwidth_bps(position).saturating_mul(PACKET_MS) / 8000;
        usize::try_from(bytes)
            .unwrap_or(MAX_PACKET_BYTES)
            .clamp(MIN_PACKET_BYTES, MAX_PACKET_BYTES)
    }

    /// Sends a packet of so many bytes: returns when it is through. Dropping the future takes it off the link.
    pub async fn send(&mut self, bytes: usize) {
        let shared = Arc::clone(&self.link.shared);
        if shared.lock().shape.is_none() {
            return;
        }
        let mut epoch = shared.epoch.subscribe();
        let mut turn = shared.enqueue(self.ready_at);
        let mut start = match &mut turn.granted {
            Granted::Now(start) => *start,
            Granted::Later(receiver) => match receiver.await {
                Ok(start) => start,
                // The sender lives in the queue until it is used; this is the answer to a link that is gone.
                Err(_) => Instant::now(),
            },
        };
        loop {
            let end = shared.end_of(start, bytes);
            tokio::select! {
                () = sleep_until(end) => {
                    self.ready_at = end;
                    turn.finish(end);
                    return;
                }
                changed = epoch.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    start = Instant::now();
                }
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No statement under the lock panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the link if it is free, else a place in the queue.
    fn enqueue(self: &Arc<Self>, ready_at: Instant) -> Turn {
        let now = Instant::now();
        let mut state = self.lock();
        state.tickets += 1;
        let ticket = state.tickets;
        let granted = if state.current.is_none() {
            state.current = Some(ticket);
            Granted::Now(state.start_of(ready_at, now))
        } else {
            let (turn, receiver) = oneshot::channel();
            state.waiting.push_back(Waiting {
                ticket,
                ready_at,
                turn,
            });
            Granted::Later(receiver)
        };
        Turn {
            shared: Arc::clone(self),
            ticket,
            granted,
        }
    }

    fn end_of(&self, start: Instant, bytes: usize) -> Instant {
        let mut state = self.lock();
        let position = state.position(start);
        match &state.shape {
            Some(shape) => {
                let end = shape.trace.transfer_end(position, bytes as u64);
                start + end.saturating_sub(position).min(LONGEST_TRANSFER)
            }
            None => start,
        }
    }
}

impl State {
    /// The position in the shape; the first question starts it.
    fn position(&mut self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.origin.get_or_insert(now))
    }

    /// When a packet starts that was ready then, the link being free: not before the last one was through, and by no more
    /// than timers are late in the past.
    fn start_of(&self, ready_at: Instant, now: Instant) -> Instant {
        let earliest = now.checked_sub(TIMER_LATENESS).unwrap_or(now);
        ready_at.max(earliest).max(self.free_at.unwrap_or(earliest))
    }

    /// Gives the link to the next in the queue.
    fn pass_on(&mut self, free_at: Instant) {
        self.free_at = Some(free_at);
        self.current = None;
        let now = Instant::now();
        while let Some(next) = self.waiting.pop_front() {
            let start = self.start_of(next.ready_at, now);
            // A receiver that is gone was dropped while it waited for this lock.
            if next.turn.send(start).is_ok() {
                self.current = Some(next.ticket);
                return;
            }
        }
    }
}

/// A packet on the link or in the queue; dropping it takes it off.
struct Turn {
    shared: Arc<Shared>,
    ticket: u64,
    granted: Granted,
}

enum Granted {
    Now(Instant),
    Later(oneshot::Receiver<Instant>),
}

impl Turn {
    fn finish(self, end: Instant) {
        self.shared.lock().pass_on(end);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.current == Some(self.ticket) {
            state.pass_on(Instant::now());
        } else {
            state.waiting.retain(|waiting| waiting.ticket != self.ticket);
        }
    }
}

/// The target length of a packet on the link.
const PACKET_MS: u64 = 20;
/// A TCP segment over Ethernet; less would be mostly overhead.
const MIN_PACKET_BYTES: usize = 1448;
/// What is read from a file at once.
const MAX_PACKET_BYTES: usize = 64 * 1024;
/// How late a timer may fire without the link losing that time.
const TIMER_LATENESS: Duration = Duration::from_millis(50);
/// Keeps sums of times in range; no client waits that long.
const LONGEST_TRANSFER: Duration = Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use simulator::trace::Point;
    use tokio::time::{advance, sleep, timeout};

    use super::*;

    fn trace(points: &[(f64, f64, f64)]) -> Trace {
        let points: Vec<_> = points
            .iter()
            .map(|&(duration_ms, bandwidth_kbps, latency_ms)| Point {
                duration_ms,
                bandwidth_kbps,
                latency_ms,
            })
            .collect();
        Trace::new("test", &points).unwrap()
    }

    /// 8 kbit/s is a byte a millisecond.
    fn bytes_per_ms(bytes: f64) -> Option<Shape> {
        Some(Shape::constant(bytes * 8.0, Duration::ZERO).unwrap())
    }

    /// Sends `bytes` as a response does; the time at which they were through, in milliseconds since `begin`.
    async fn response(link: Link, bytes: usize, begin: Instant) -> u64 {
        let mut flow = link.open().await;
        let mut left = bytes;
        while left > 0 {
            let packet = flow.packet_bytes().min(left);
            flow.send(packet).await;
            left -= packet;
        }
        begin.elapsed().as_millis() as u64
    }

    #[track_caller]
    fn near(found: u64, expected: u64) {
        // A packet of 20 ms and what tokio's timers round up.
        assert!(found.abs_diff(expected) <= 25, "{found} ms is not {expected} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_alone_has_the_whole_link() {
        let link = Link::new(bytes_per_ms(1000.0));
        near(response(link.clone(), 5_000_000, Instant::now()).await, 5000);
        let unshaped = Link::new(None);
        assert_eq!(response(unshaped, 50_000_000, Instant::now()).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn responses_share_it_evenly() {
        let link = Link::new(bytes_per_ms(1000.0));
        let begin = Instant::now();
        let long = tokio::spawn(response(link.clone(), 1_000_000, begin));
        let short = tokio::spawn(response(link.clone(), 300_000, begin));
        sleep(Duration::from_millis(200)).await;
        // At 200 ms each has had 100,000. By 800 ms all three have had 200,000 more, which ends the short one. The two
        // others go on with half each until the long one ends: it has 700,000 to go then, and the late one 300,000.
        let late = tokio::spawn(response(link.clone(), 500_000, begin));
        near(short.await.unwrap(), 800);
        near(late.await.unwrap(), 1400);
        near(long.await.unwrap(), 1800);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_leaves_frees_its_share() {
        let link = Link::new(bytes_per_ms(100.0));
        let begin = Instant::now();
        let stays = tokio::spawn(response(link.clone(), 100_000, begin));
        let leaves: Vec<_> = (0..9)
            .map(|_| tokio::spawn(response(link.clone(), 1_000_000, begin)))
            .collect();
        sleep(Duration::from_millis(1000)).await;
        for task in leaves {
            task.abort();
        }
        // It had a tenth of the first second, and has everything since.
        near(stays.await.unwrap(), 1900);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_stops_everything_and_the_trace_begins_again() {
        let link = Link::new(Some(Shape {
            trace: trace(&[(1000.0, 800.0, 0.0), (2000.0, 0.0, 0.0)]),
            latency: Some(Duration::ZERO),
        }));
        near(response(link.clone(), 150_000, Instant::now()).await, 3500);
    }

    #[tokio::test(start_paused = true)]
    async fn latency_is_of_the_moment_and_comes_once() {
        let link = Link::new(Some(
            trace(&[(1000.0, 800.0, 100.0), (1000.0, 800.0, 0.0)]).into(),
        ));
        // The trace begins with the first request, not with the link.
        sleep(Duration::from_millis(1500)).await;
        near(response(link.clone(), 50_000, Instant::now()).await, 100 + 500);
        sleep(Duration::from_millis(600)).await;
        // Unknown to the trace: the simulator's default.
        near(response(link.clone(), 0, Instant::now()).await, 80);
        link.reset();
        near(response(link.clone(), 0, Instant::now()).await, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn another_shape_holds_at_once_for_what_is_in_flight() {
        let outage = trace(&[(3_600_000.0, 0.0, 0.0), (1.0, 8.0, 0.0)]);
        let link = Link::new(Some(Shape {
            trace: outage,
            latency: Some(Duration::ZERO),
        }));
        let begin = Instant::now();
        let stuck = tokio::spawn(response(link.clone(), 100_000, begin));
        let queued = tokio::spawn(response(link.clone(), 100_000, begin));
        sleep(Duration::from_millis(700)).await;
        link.set_shape(bytes_per_ms(100.0));
        near(stuck.await.unwrap(), 2700);
        near(queued.await.unwrap(), 2700);

        let stuck = tokio::spawn(response(link.clone(), 1_000_000, begin));
        sleep(Duration::from_millis(100)).await;
        link.set_shape(None);
        timeout(Duration::from_millis(100), stuck).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn time_lost_by_late_timers_is_made_up_for() {
        let link = Link::new(bytes_per_ms(100.0));
        let mut flow = link.open().await;
        let begin = Instant::now();
        for _ in 0..100 {
            flow.send(1000).await;
            // The task is scheduled 5 ms late each time.
            advance(Duration::from_millis(5)).await;
        }
        near(begin.elapsed().as_millis() as u64, 1005);
        // But a client that does not read for long loses what it could have had.
        sleep(Duration::from_secs(10)).await;
        let begin = Instant::now();
        for _ in 0..100 {
            flow.send(1000).await;
        }
        near(begin.elapsed().as_millis() as u64, 950);
    }
}
