//! Access units: a byte stream (ITU-T H.264 and H.265, annex B) becomes samples with lengths before their NAL units.

use scan::has_zeros;

use super::sets::{Kind, News, Sets};
use super::{Coding, avc};
use crate::crypt::SampleKey;
use crate::warnings::Warnings;

/// Bytes before a NAL unit that say how long it is.
const LENGTH: usize = 4;
/// Descriptions in a segment; past this, changed parameter sets stay among the samples.
const MAX_CHANGES: usize = 32;

/// A sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    /// Where in the bytes.
    pub(crate) offset: usize,
    pub(crate) size: usize,
    /// When it is shown and when it is decoded, ticks, if its PES packet said so.
    pub(crate) times: Option<(i64, i64)>,
    /// Decoding can begin with it.
    pub(crate) sync: bool,
    /// No other picture needs it.
    pub(crate) disposable: bool,
}

/// Supplemental information of a sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sei {
    /// Which sample.
    pub(crate) access: usize,
    /// Where in the bytes, and how many.
    pub(crate) offset: usize,
    pub(crate) size: usize,
}

/// Samples that parameter sets are for which then changed.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    /// The first sample that they are not for.
    pub(crate) end: usize,
    pub(crate) sets: Sets,
}

/// What PES packets say, by their number.
#[derive(Clone, Copy, Debug, Default)]
struct Stamp {
    number: u32,
    times: Option<(i64, i64)>,
}

/// The sample under way.
#[derive(Clone, Copy, Debug, Default)]
struct Current {
    open: bool,
    offset: usize,
    times: Option<(i64, i64)>,
    /// It has a slice.
    coded: bool,
    sync: bool,
    recovery: bool,
    disposable: bool,
}

/// What a NAL unit is for the division into samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Delimiter,
    Drop,
    /// It may only stand before the slices.
    Info,
    Other,
    Parameters(Kind),
    Slice,
}

/// Makes samples of the bytes of PES packets.
#[derive(Debug)]
pub(crate) struct Assembler<'k> {
    coding: Coding,
    key: Option<&'k SampleKey>,
    keep_sei: bool,
    /// Forget the parameter sets from before as soon as new ones come.
    forget: bool,
    pub(crate) sets: Sets,
    /// The samples' bytes, behind what was there before.
    pub(crate) out: Vec<u8>,
    pub(crate) accesses: Vec<Access>,
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) sei: Vec<Sei>,
    pub(crate) warnings: Warnings,
    /// Zeros at the end of what came.
    zeros: usize,
    /// Where the NAL unit under way has its length.
    nal: Option<usize>,
    /// The PES packet that it begins in; it is the first thing in it.
    nal_stamp: Stamp,
    nal_leads: bool,
    stamp: Stamp,
    /// The PES packet had nothing but zeros so far.
    leading: bool,
    /// The last PES packet whose times were given to a sample.
    given: u32,
    current: Current,
}

impl<'k> Assembler<'k> {
    /// `sets` are those from before; they count until others come, or beside them if the stream goes on (`continuous`).
    pub(crate) fn new(
        coding: Coding,
        sets: Sets,
        continuous: bool,
        key: Option<&'k SampleKey>,
        keep_sei: bool,
        out: Vec<u8>,
    ) -> Self {
        Self {
            coding,
            key,
            keep_sei,
            forget: !continuous,
            sets,
            out,
            accesses: Vec::new(),
            epochs: Vec::new(),
            sei: Vec::new(),
            warnings: Warnings::default(),
            zeros: 0,
            nal: None,
            nal_stamp: Stamp::default(),
            nal_leads: false,
            stamp: Stamp::default(),
            leading: false,
            given: 0,
            current: Current::default(),
        }
    }

    pub(crate) const fn coding(&self) -> Coding {
        self.coding
    }

    /// From here on it is this coding and key. False if it cannot be: there are samples of another.
    pub(crate) fn turn_to(&mut self, coding: Coding, key: Option<&'k SampleKey>) -> bool {
        let is_other = coding != self.coding;
        if is_other && (self.nal.is_some() || !self.accesses.is_empty()) {
            return false;
        }
        if is_other {
            self.coding = coding;
            self.sets = Sets::default();
        }
        self.key = key;
        true
    }

    /// A PES packet begins: when its first sample is shown and decoded, ticks.
    pub(crate) fn begin(&mut self, times: Option<(i64, i64)>) {
        self.stamp = Stamp {
            number: self.stamp.number + 1,
            times,
        };
        self.leading = true;
    }

    /// The next bytes of the PES packet.
    #[inline]
    pub(crate) fn push(&mut self, payload: &[u8]) {
        // Most have no start code, nor anything that could be part of one.
        let joins = self.zeros > 0 && payload.first().is_some_and(|byte| *byte <= 1);
        if joins || payload.len() < 4 || has_zeros(payload) {
            self.split(payload);
            return;
        }
        if self.nal.is_some() {
            self.out.extend_from_slice(payload);
        }
        self.leading = false;
        self.zeros = usize::from(payload.last() == Some(&0));
    }

    fn split(&mut self, payload: &[u8]) {
        let mut from = 0;
        for (at, &byte) in payload.iter().enumerate() {
            if byte == 0 {
                self.zeros += 1;
                continue;
            }
            if byte == 1 && self.zeros >= 2 {
                if self.nal.is_some() {
                    self.out.extend_from_slice(&payload[from..at]);
                    self.end_nal();
                }
                from = at + 1;
                self.nal = Some(self.out.len());
                self.nal_stamp = self.stamp;
                self.nal_leads = self.leading;
                self.out.extend([0; LENGTH]);
            }
            self.zeros = 0;
            self.leading = false;
        }
        if self.nal.is_some() {
            self.out.extend_from_slice(&payload[from..]);
        }
    }

    /// The segment is over.
    pub(crate) fn finish(&mut self) {
        self.end_nal();
        self.close(self.out.len());
        self.out.truncate(self.current.offset);
    }

    fn end_nal(&mut self) {
        let Some(at) = self.nal.take() else { return };
        // Zeros behind it belong to the byte stream.
        let zeros = self.out[at + LENGTH..]
            .iter()
            .rev()
            .take_while(|byte| **byte == 0)
            .count();
        self.out.truncate(self.out.len() - zeros);
        let nal = &self.out[at + LENGTH..];
        let Some(role) = role(self.coding, nal) else {
            self.out.truncate(at);
            return;
        };
        let (first, intra) = match role {
            Role::Slice => first_slice(self.coding, nal),
            _ => (false, false),
        };
        let kind = nal[0];
        let begins = self.current.coded
            && match role {
                Role::Delimiter | Role::Info | Role::Parameters(_) => true,
                // Without a delimiter; the second of two fields belongs to the first.
                Role::Slice => first && (self.nal_leads || self.sets.frames_only(self.coding)),
                Role::Drop | Role::Other => false,
            };
        if begins {
            self.close(at);
        }
        self.open(at);
        match role {
            Role::Delimiter | Role::Drop => self.out.truncate(at),
            Role::Parameters(kind) => {
                if self.learn(kind, at + LENGTH) {
                    self.out.truncate(at);
                } else {
                    self.seal(at);
                }
            }
            Role::Info => {
                let nal = &self.out[at + LENGTH..];
                self.current.recovery |= self.coding == Coding::Avc && avc::is_recovery_point(nal);
                if self.keep_sei {
                    self.sei.push(Sei {
                        access: self.accesses.len(),
                        offset: at + LENGTH,
                        size: nal.len(),
                    });
                }
                self.seal(at);
            }
            Role::Slice => {
                self.slice(kind, first, intra);
                self.decrypt(at + LENGTH);
                self.seal(at);
            }
            Role::Other => self.seal(at),
        }
    }

    fn open(&mut self, at: usize) {
        let current = &mut self.current;
        if !current.open {
            *current = Current {
                open: true,
                offset: at,
                ..Current::default()
            };
        } else if current.coded || !self.nal_leads {
            return;
        }
        if self.nal_stamp.number != self.given {
            self.given = self.nal_stamp.number;
            current.times = self.nal_stamp.times.or(current.times);
        }
    }

    fn close(&mut self, at: usize) {
        let current = self.current;
        if !current.coded {
            return;
        }
        self.accesses.push(Access {
            offset: current.offset,
            size: at - current.offset,
            times: current.times,
            sync: current.sync,
            disposable: current.disposable,
        });
        self.current = Current {
            offset: at,
            ..Current::default()
        };
    }

    fn slice(&mut self, kind: u8, first: bool, intra: bool) {
        let current = &mut self.current;
        match self.coding {
            Coding::Avc => {
                current.sync |= kind & 31 == 5 || (first && intra && current.recovery);
                current.disposable = kind & 0x60 == 0;
            }
            Coding::Hevc => current.sync |= (16..=23).contains(&(kind >> 1 & 63)),
        }
        current.coded = true;
    }

    /// The NAL unit's length, written before it.
    fn seal(&mut self, at: usize) {
        let size = self.out.len() - at - LENGTH;
        if let Some(length) = self.out[at..].first_chunk_mut::<LENGTH>() {
            *length = (size as u32).to_be_bytes();
        }
    }

    fn decrypt(&mut self, at: usize) {
        let Some(key) = self.key else { return };
        if self.coding == Coding::Avc && matches!(self.out[at] & 31, 1 | 5) {
            key.decrypt_avc(&mut self.out, at);
        }
    }

    /// False if the parameter set must stay where it is.
    fn learn(&mut self, kind: Kind, at: usize) -> bool {
        let nal = &self.out[at..];
        if self.forget && kind != Kind::Pps && self.sets.look(self.coding, kind, nal) != News::Unreadable {
            self.forget = false;
            self.sets = Sets::default();
        }
        match self.sets.look(self.coding, kind, nal) {
            News::Known => {}
            News::Unreadable => self
                .warnings
                .add("a parameter set that cannot be read was left out"),
            News::Changed => {
                let end = self.accesses.len();
                let has_samples = end > self.epochs.last().map_or(0, |epoch| epoch.end);
                if has_samples && self.sets.describe(self.coding).is_some() {
                    if self.epochs.len() == MAX_CHANGES {
                        self.warnings
                            .add("parameter sets change too often: they stay among the pictures");
                        return false;
                    }
                    self.epochs.push(Epoch {
                        end,
                        sets: self.sets.clone(),
                    });
                }
                self.sets.learn(self.coding, kind, nal);
            }
        }
        true
    }
}

/// `None` for what is too short to be one.
fn role(coding: Coding, nal: &[u8]) -> Option<Role> {
    let kind = *nal.first()?;
    Some(match coding {
        Coding::Avc => match kind & 31 {
            1 | 2 | 5 => Role::Slice,
            6 => Role::Info,
            7 => Role::Parameters(Kind::Sps),
            8 => Role::Parameters(Kind::Pps),
            9 => Role::Delimiter,
            // Ends of sequence and stream, filler, extensions of parameter sets that nobody decodes.
            0 | 10..=13 | 15 => Role::Drop,
            _ => Role::Other,
        },
        Coding::Hevc => {
            nal.get(1)?;
            match kind >> 1 & 63 {
                0..=9 | 16..=23 => Role::Slice,
                32 => Role::Parameters(Kind::Vps),
                33 => Role::Parameters(Kind::Sps),
                34 => Role::Parameters(Kind::Pps),
                35 => Role::Delimiter,
                37 | 38 => Role::Drop,
                39 => Role::Info,
                _ => Role::Other,
            }
        }
    })
}

/// Whether a slice is the first of its picture, and whether it is known to need no other picture.
fn first_slice(coding: Coding, nal: &[u8]) -> (bool, bool) {
    match coding {
        Coding::Avc => avc::slice(nal),
        Coding::Hevc => (nal.get(2).is_some_and(|byte| byte & 0x80 != 0), false),
    }
}
