//! A file's packets in the order in which they are decoded, however the container interleaves them.

use std::collections::VecDeque;
use std::path::Path;

use ffmpeg_next::format::context::Input;
use ffmpeg_next::mathematics::{Rescale, rescale};
use ffmpeg_next::{Packet, Rational};

use crate::decode::next_packet;
use crate::error::EncodeError;

/// Reads ahead in one stream until the other has a packet too.
pub(super) struct Interleaver {
    streams: Vec<Lane>,
    held_bytes: usize,
    is_over: bool,
}

struct Lane {
    index: usize,
    time_base: Rational,
    packets: VecDeque<Packet>,
    /// Decode time of the last one, in microseconds.
    last_us: i64,
}

impl Interleaver {
    /// Of the streams with these numbers and time bases.
    pub(super) fn new(streams: impl IntoIterator<Item = (usize, Rational)>) -> Self {
        let lane = |(index, time_base)| Lane {
            index,
            time_base,
            packets: VecDeque::new(),
            last_us: i64::MIN,
        };
        Self {
            streams: streams.into_iter().map(lane).collect(),
            held_bytes: 0,
            is_over: false,
        }
    }

    /// The next packet of any of the streams; none at the end.
    pub(super) fn next(
        &mut self,
        input: &mut Input,
        path: &Path,
        broken: &mut u64,
    ) -> Result<Option<Packet>, EncodeError> {
        while !self.is_over
            && self.held_bytes < MAX_HELD_BYTES
            && self.streams.iter().any(|lane| lane.packets.is_empty())
        {
            match next_packet(input, path, broken)? {
                None => self.is_over = true,
                Some(packet) => {
                    let lane = self.streams.iter_mut().find(|lane| lane.index == packet.stream());
                    if let Some(lane) = lane {
                        self.held_bytes += packet.size() + PACKET_BYTES;
                        lane.packets.push_back(packet);
                    }
                }
            }
        }
        let heads = self
            .streams
            .iter_mut()
            .filter_map(|lane| Some((lane.head_us()?, lane)));
        let Some((head_us, lane)) = heads.min_by_key(|(head_us, _)| *head_us) else {
            return Ok(None);
        };
        lane.last_us = head_us;
        let packet = lane.packets.pop_front();
        self.held_bytes -= packet.as_ref().map_or(0, |packet| packet.size() + PACKET_BYTES);
        Ok(packet)
    }
}

impl Lane {
    fn head_us(&self) -> Option<i64> {
        let packet = self.packets.front()?;
        let time = packet.dts().or(packet.pts());
        Some(time.map_or(self.last_us, |time| {
            time.rescale(self.time_base, rescale::TIME_BASE)
        }))
    }
}

/// Of a file whose streams lie one after the other; more than a second of any that is interleaved.
const MAX_HELD_BYTES: usize = 64 << 20;
/// What a packet takes beside its data.
const PACKET_BYTES: usize = 256;
