//! A field of the picture: pairs of bytes, which two channels of captions and the extended data services share.

use super::channel::Channel;
use super::cues::Cues;

/// One of two.
#[derive(Debug)]
pub(super) struct Field {
    channels: [Channel; 2],
    /// The channel that characters are of.
    current: usize,
    /// The control code just before, unless it repeated one.
    last: Option<[u8; 2]>,
    /// Only the second field has extended data services.
    has_xds: bool,
    /// Characters are of these.
    in_xds: bool,
}

impl Field {
    pub(super) fn new(names: [&'static str; 2], has_xds: bool) -> Self {
        Self {
            channels: names.map(Channel::new),
            current: 0,
            last: None,
            has_xds,
            in_xds: false,
        }
    }

    /// Reads two bytes with parity. A byte that has even parity is not what was sent.
    pub(super) fn pair(&mut self, now: i64, pair: [u8; 2], cues: &mut Cues) {
        let is_whole = pair.map(|byte| byte.count_ones() % 2 == 1);
        let [a, b] = pair.map(|byte| byte & 0x7f);
        match a {
            // Nothing, or a service's packet: it begins, goes on, or ends with its checksum.
            0..0x10 => {
                if self.has_xds && a != 0 && is_whole == [true; 2] {
                    self.in_xds = a != 0x0f;
                }
            }
            0x10..0x20 => {
                if is_whole == [true; 2] && b >= 0x20 {
                    self.control(now, a, b, cues);
                }
            }
            _ => {
                self.last = None;
                if self.in_xds {
                    return;
                }
                if let Some(channel) = self.channels.get_mut(self.current) {
                    for (byte, is_whole) in [a, b].into_iter().zip(is_whole) {
                        if is_whole && byte >= 0x20 {
                            channel.character(now, byte, cues);
                        }
                    }
                }
            }
        }
    }

    fn control(&mut self, now: i64, a: u8, b: u8, cues: &mut Cues) {
        self.in_xds = false;
        // Control codes are sent twice, so that one may be lost.
        if self.last == Some([a, b]) {
            self.last = None;
            return;
        }
        self.last = Some([a, b]);
        self.current = usize::from(a >> 3 & 1);
        if let Some(channel) = self.channels.get_mut(self.current) {
            channel.control(now, a & 0x17, b, cues);
        }
    }

    /// Clears what has been on the screen for too long.
    pub(super) fn expire(&mut self, now: i64, cues: &mut Cues) {
        for channel in &mut self.channels {
            channel.expire(now, cues);
        }
    }

    /// Ends the cues of what is on the screen.
    pub(super) fn cut(&mut self, now: i64, cues: &mut Cues) {
        for channel in &mut self.channels {
            channel.expire(now, cues);
            channel.show_until(now, cues);
        }
    }
}
