//! What happened when in a session, for charts.

/// A session over time; seconds are of the virtual clock, from the load.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// The buffer, at each change of its course (in between it runs straight).
    pub buffer: Vec<BufferLevel>,
    /// Requests for segments, in the order of their ends.
    pub transfers: Vec<Transfer>,
    /// Times without pictures: from, to. The first one is start-up.
    pub stalls: Vec<(f64, f64)>,
}

/// Media ahead of the playhead at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BufferLevel {
    /// When, seconds.
    pub at_s: f64,
    /// How much, seconds.
    pub buffer_s: f64,
}

/// A request for a segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transfer {
    /// When it was made, seconds.
    pub requested_s: f64,
    /// When its first byte came, or `ended_s` if none did.
    pub first_byte_s: f64,
    /// When it was complete or given up.
    pub ended_s: f64,
    /// Number of the segment.
    pub segment: usize,
    /// Rung of the ladder.
    pub rung: usize,
    /// Bytes that came.
    pub bytes: u64,
    /// It was given up.
    pub abandoned: bool,
}
