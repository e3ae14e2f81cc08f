//! The parameter sets in force.

use super::{Coding, Description, avc, hevc};

/// Kinds of parameter sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pps,
    Sps,
    Vps,
}

/// One list a kind, each by id, with their NAL units.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sets {
    lists: [Vec<(u32, Vec<u8>)>; 3],
    /// The one that came last describes the pictures.
    latest_sps: u32,
}

/// What a parameter set is to those that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Changed,
    Known,
    /// It cannot be read or is too large.
    Unreadable,
}

/// Bytes of a list; a parameter set has some dozens.
const MAX_BYTES: usize = 1 << 16;

impl Sets {
    /// What [`Self::learn`] would make of it.
    pub(crate) fn look(&self, coding: Coding, kind: Kind, nal: &[u8]) -> News {
        let Some(id) = id(coding, kind, nal) else {
            return News::Unreadable;
        };
        let list = &self.lists[kind as usize];
        match list.iter().find(|(known, _)| *known == id) {
            Some((_, known)) if known == nal => News::Known,
            _ if nal.len() + list.iter().map(|(_, nal)| nal.len()).sum::<usize>() > MAX_BYTES => {
                News::Unreadable
            }
            _ => News::Changed,
        }
    }

    /// Takes a parameter set in, in place of the one with the same id.
    pub(crate) fn learn(&mut self, coding: Coding, kind: Kind, nal: &[u8]) {
        let Some(id) = id(coding, kind, nal) else { return };
        if kind == Kind::Sps {
            self.latest_sps = id;
        }
        let list = &mut self.lists[kind as usize];
        match list.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => {
                known.clear();
                known.extend_from_slice(nal);
            }
            None => list.push((id, nal.to_vec())),
        }
    }

    /// Whether pictures are whole frames, never fields.
    pub(crate) fn frames_only(&self, coding: Coding) -> bool {
        coding == Coding::Hevc || self.sps().and_then(avc::sps).is_none_or(|sps| sps.frames_only)
    }

    /// `None` as long as something is missing.
    pub(crate) fn describe(&self, coding: Coding) -> Option<Description> {
        let sps = self.sps()?;
        let pps_list = self.list(Kind::Pps);
        if pps_list.is_empty() {
            return None;
        }
        let mut sps_list = self.list(Kind::Sps);
        let first = sps_list.iter().position(|nal| *nal == sps)?;
        sps_list.swap(0, first);
        Some(match coding {
            Coding::Avc => Description {
                coding,
                picture: avc::sps(sps)?.picture,
                configuration: avc::configuration(&sps_list, &pps_list)?,
                codec: avc::codec(sps)?,
            },
            Coding::Hevc => Description {
                coding,
                picture: hevc::sps(sps)?.picture,
                configuration: hevc::configuration(&self.list(Kind::Vps), &sps_list, &pps_list)?,
                codec: hevc::codec(sps)?,
            },
        })
    }

    fn sps(&self) -> Option<&[u8]> {
        let latest = self.lists[Kind::Sps as usize]
            .iter()
            .find(|(id, _)| *id == self.latest_sps);
        latest.map(|(_, nal)| nal.as_slice())
    }

    fn list(&self, kind: Kind) -> Vec<&[u8]> {
        self.lists[kind as usize]
            .iter()
            .map(|(_, nal)| nal.as_slice())
            .collect()
    }
}

/// `None` for what cannot be read: it would make the others useless.
fn id(coding: Coding, kind: Kind, nal: &[u8]) -> Option<u32> {
    match (coding, kind) {
        (Coding::Avc, Kind::Sps) => avc::sps(nal).map(|sps| sps.id),
        (Coding::Avc, _) => avc::pps_ids(nal).map(|(id, _)| id),
        (Coding::Hevc, Kind::Sps) => hevc::sps(nal).map(|sps| sps.id),
        (Coding::Hevc, Kind::Pps) => hevc::pps_id(nal),
        (Coding::Hevc, Kind::Vps) => hevc::vps_id(nal),
    }
}
