//! Decoding: packets to frames that lie on the presentation's timeline.

use std::path::Path;
use std::sync::{MutexGuard, PoisonError};

use ffmpeg_next::codec::decoder;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::mathematics::{Rescale, rescale};
use ffmpeg_next::{Error, Packet, Rational, frame};

use crate::account::Seen;
use crate::encode::is_pause;
use crate::error::EncodeError;
use crate::source::{Source, VideoStream};
use crate::timing::FrameRate;

/// A video stream that is being decoded.
pub(crate) struct VideoDecoding {
    pub(crate) stream: VideoStream,
    clock: Clock,
    rate: FrameRate,
}

impl VideoDecoding {
    /// Takes the video stream out of `source`.
    pub(crate) fn of(source: &mut Source, rate: FrameRate) -> Option<Self> {
        let stream = source.video.take()?;
        let clock = Clock::new(stream.time_base, source.origin_us, source.may_jump);
        Some(Self { stream, clock, rate })
    }

    /// Decodes a packet, or what is left without one; `false` when it was broken. `take` gets the frames with their times in
    /// ticks of the stream's time base.
    pub(crate) fn decode<E>(
        &mut self,
        packet: Option<&Packet>,
        take: &mut dyn FnMut(frame::Video, &VideoStream) -> Result<(), E>,
    ) -> Result<bool, E> {
        loop {
            let sent = send(&mut self.stream.decoder, packet);
            let mut frame = frame::Video::empty();
            while self.stream.decoder.receive_frame(&mut frame).is_ok() {
                let duration = match frame.packet().duration {
                    unknown if unknown <= 0 => 1.rescale(self.rate.time_base(), self.stream.time_base),
                    duration => duration,
                };
                let pts = self.clock.place(frame.timestamp(), duration);
                frame.set_pts(Some(pts));
                self.seen().note(&frame, pts, f64::from(self.stream.time_base));
                take(std::mem::replace(&mut frame, frame::Video::empty()), &self.stream)?;
            }
            match sent {
                Sent::Full => {}
                Sent::Taken => return Ok(true),
                Sent::Broken => {
                    self.seen().note_broken();
                    return Ok(false);
                }
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.stream.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the last frame ends, in ticks of the stream's time base.
    pub(crate) fn end(&self) -> i64 {
        self.clock.end()
    }
}

/// Reads the next packet; none at the end. Broken ones are counted and passed over.
pub(crate) fn next_packet(
    input: &mut Input,
    path: &Path,
    broken: &mut u64,
) -> Result<Option<Packet>, EncodeError> {
    loop {
        let mut packet = Packet::empty();
        match packet.read(input) {
            Ok(()) => return Ok(Some(packet)),
            Err(Error::Eof) => return Ok(None),
            Err(Error::InvalidData) if *broken < MAX_BROKEN_PACKETS => *broken += 1,
            Err(error) => {
                return Err(EncodeError::ReadFailed {
                    path: path.to_owned(),
                    source: error,
                });
            }
        }
    }
}

/// Goes to a key frame before `frame`, with time for filters that look back, where the container can.
pub(crate) fn seek(source: &mut Source, rate: FrameRate, frame: u64) -> Result<(), EncodeError> {
    let wanted_us = (rate.seconds(frame) * 1e6) as i64;
    if !source.can_seek || wanted_us <= LOOK_BACK_US {
        return Ok(());
    }
    let target_us = source.origin_us + wanted_us - LOOK_BACK_US;
    source
        .input
        .seek(target_us, ..target_us)
        .map_err(|error| EncodeError::ReadFailed {
            path: source.path.clone(),
            source: error,
        })
}

/// How a decoder took a packet.
pub(crate) enum Sent {
    Taken,
    /// The decoder wants its frames taken first.
    Full,
    Broken,
}

pub(crate) fn send(decoder: &mut decoder::Opened, packet: Option<&Packet>) -> Sent {
    let result = match packet {
        Some(packet) => decoder.send_packet(packet),
        None => decoder.send_eof(),
    };
    match result {
        Ok(()) | Err(Error::Eof) => Sent::Taken,
        Err(error) if is_pause(error) => Sent::Full,
        Err(_) => Sent::Broken,
    }
}

/// Places a stream's frames on the presentation's timeline, in ticks of the stream's time base.
pub(crate) struct Clock {
    /// Ticks to subtract: the origin, and jumps that were closed.
    offset: i64,
    next: Option<i64>,
    /// How far forward and backward a stamp may be from where it is expected; none for files whose times are right.
    max_jump: Option<(i64, i64)>,
}

impl Clock {
    pub(crate) fn new(time_base: Rational, origin_us: i64, may_jump: bool) -> Self {
        let ticks = |us: i64| us.rescale(rescale::TIME_BASE, time_base);
        Self {
            offset: ticks(origin_us),
            next: None,
            max_jump: may_jump.then(|| (ticks(MAX_GAP_US), ticks(MAX_RETURN_US))),
        }
    }

    /// Time for a frame stamped `stamp` that lasts `duration`; frames without a stamp follow the one before.
    pub(crate) fn place(&mut self, stamp: Option<i64>, duration: i64) -> i64 {
        let expected = self.next.unwrap_or(0);
        let mut pts = stamp.map_or(expected, |stamp| stamp.saturating_sub(self.offset));
        let ahead = pts.saturating_sub(expected);
        let is_jump = |(forward, backward): (i64, i64)| ahead > forward || ahead < -backward;
        if self.next.is_some() && self.max_jump.is_some_and(is_jump) {
            self.offset = self.offset.saturating_add(ahead);
            pts = expected;
        }
        self.next = Some(pts.saturating_add(duration.max(0)));
        pts
    }

    /// Where the last frame ends.
    pub(crate) fn end(&self) -> i64 {
        self.next.unwrap_or(0)
    }
}

const LOOK_BACK_US: i64 = 1_000_000;
/// A broadcast stream that jumps farther than this went on elsewhere; a pause is shorter.
const MAX_GAP_US: i64 = 10_000_000;
/// Decoded frames come in order, so one that is earlier than this starts a new count.
const MAX_RETURN_US: i64 = 500_000;
/// A demuxer that finds nothing but broken packets must end some time.
const MAX_BROKEN_PACKETS: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_placed_from_the_origin() {
        let mut clock = Clock::new(Rational::new(1, 1000), 1_400_000, false);
        assert_eq!(clock.place(Some(1400), 40), 0);
        assert_eq!(clock.place(None, 40), 40);
        assert_eq!(clock.place(Some(99_000), 40), 97_600);
    }

    #[test]
    fn a_broadcast_jump_is_closed() {
        let mut clock = Clock::new(Rational::new(1, 1000), 0, true);
        assert_eq!(clock.place(Some(0), 40), 0);
        assert_eq!(clock.place(Some(5000), 40), 5000);
        assert_eq!(clock.place(Some(95_000_000), 40), 5040);
        assert_eq!(clock.place(Some(95_000_040), 40), 5080);
        assert_eq!(clock.place(Some(1000), 40), 5120);
    }
}
