//! Packets of 188 bytes, also with four bytes of time before (M2TS) or sixteen of parity behind.

/// Bytes of a packet.
pub(crate) const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// The distances from packet to packet.
const STRIDES: [usize; 3] = [188, 192, 204];

/// A packet with a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) pid: u16,
    /// A PES packet or section begins in it.
    pub(crate) start: bool,
    pub(crate) scrambled: bool,
    /// Continuity counter, 0 to 15.
    pub(crate) counter: u8,
    /// The counter is allowed to jump.
    pub(crate) discontinuity: bool,
    pub(crate) payload: &'a [u8],
}

/// The packets of a segment, one after the other; what is lost between them is counted.
#[derive(Clone, Debug)]
pub(crate) struct Packets<'a> {
    bytes: &'a [u8],
    at: usize,
    stride: usize,
    /// Times that sync was lost.
    pub(crate) lost: u32,
    /// Packets that say of themselves that they are wrong.
    pub(crate) broken: u32,
    /// Bytes of a packet that is cut off at the end.
    pub(crate) cut: usize,
}

impl<'a> Packets<'a> {
    /// Finds the first packet; `None` if there is none.
    pub(crate) fn find(bytes: &'a [u8]) -> Option<Self> {
        (0..bytes.len()).filter(|at| bytes[*at] == SYNC).find_map(|at| {
            let stride = STRIDES.into_iter().find(|stride| is_sync(bytes, at, *stride))?;
            Some(Self {
                bytes,
                at,
                stride,
                lost: 0,
                broken: 0,
                cut: 0,
            })
        })
    }

    /// Where the next packet is, after what is no packet.
    fn regain(&mut self) -> bool {
        self.lost += 1;
        let from = self.at;
        let found = (from..self.bytes.len())
            .find(|at| self.bytes[*at] == SYNC && is_sync(self.bytes, *at, self.stride));
        self.at = found.unwrap_or(self.bytes.len());
        found.is_some()
    }
}

/// Whether packets begin here: so do the next two, as far as there are bytes.
fn is_sync(bytes: &[u8], at: usize, stride: usize) -> bool {
    let is = |n: usize| bytes.get(at + n * stride).is_none_or(|b| *b == SYNC);
    bytes.len() - at >= PACKET && bytes[at] == SYNC && is(1) && is(2)
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    #[inline]
    fn next(&mut self) -> Option<Packet<'a>> {
        loop {
            let Some(packet) = self
                .bytes
                .get(self.at..)
                .and_then(|rest| rest.first_chunk::<PACKET>())
            else {
                self.cut = self.bytes.len().saturating_sub(self.at);
                self.at = self.bytes.len();
                return None;
            };
            if packet[0] != SYNC {
                if self.regain() {
                    continue;
                }
                return None;
            }
            self.at += self.stride;
            if packet[1] & 0x80 != 0 {
                self.broken += 1;
                continue;
            }
            if let Some(packet) = read(packet) {
                return Some(packet);
            }
        }
    }
}

/// `None` for a packet without payload.
#[inline]
fn read(packet: &[u8; PACKET]) -> Option<Packet<'_>> {
    let flags = packet[3];
    if flags & 0x10 == 0 {
        return None;
    }
    let (mut header, mut discontinuity) = (4, false);
    if flags & 0x20 != 0 {
        let length = usize::from(packet[4]);
        discontinuity = length > 0 && packet[5] & 0x80 != 0;
        header = 5 + length;
    }
    let payload = packet.get(header..).filter(|payload| !payload.is_empty())?;
    Some(Packet {
        pid: u16::from_be_bytes([packet[1] & 0x1f, packet[2]]),
        start: packet[1] & 0x40 != 0,
        scrambled: flags & 0xc0 != 0,
        counter: flags & 0x0f,
        discontinuity,
        payload,
    })
}

/// Watches the continuity counter of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Continuity<'a> {
    last: Option<(u8, &'a [u8])>,
}

/// What a packet is to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The one after.
    Next,
    /// The same again.
    Repeated,
    /// Some are missing between.
    Torn,
}

impl<'a> Continuity<'a> {
    #[inline]
    pub(crate) fn step(&mut self, packet: &Packet<'a>) -> Step {
        let last = self.last.replace((packet.counter, packet.payload));
        match last {
            Some((counter, _)) if (counter + 1) & 15 == packet.counter => Step::Next,
            None => Step::Next,
            Some((counter, payload)) if counter == packet.counter && payload == packet.payload => {
                Step::Repeated
            }
            Some(_) if packet.discontinuity => Step::Next,
            Some(_) => Step::Torn,
        }
    }
}
