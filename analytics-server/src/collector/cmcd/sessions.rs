//! The sessions that report by CMCD. They live in memory only: what goes on while the server starts anew is another view.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use player_core::cmcd::reader::Line;
use player_core::telemetry::schema::Beacon;
use ring::hmac;

use super::view::CmcdView;

/// Sessions that are kept.
const MAX_SESSIONS: usize = 100_000;
/// A session that is silent for so long is over.
const FORGET_AFTER_MS: i64 = 30 * 60_000;

/// See the module's text.
pub(crate) struct CmcdSessions {
    /// Made anew at each start, so that no view of before is continued with counters that begin at 0.
    key: hmac::Key,
    sessions: Mutex<HashMap<Key, Session>>,
    max: usize,
}

/// Site and `sid`.
type Key = (String, String);

#[derive(Default)]
struct Session {
    heard_ms: i64,
    views: u64,
    view: Option<CmcdView>,
    /// Sequence numbers of reports of events, and of those with requests.
    seen: [Window; 2],
}

/// Which of the last 128 sequence numbers have been seen.
#[derive(Default)]
struct Window {
    next: u64,
    /// The lowest bit is that of `next − 1`.
    bits: u128,
}

/// There are too many sessions.
#[derive(Debug)]
pub(super) struct Full;

/// A report that was read.
pub(super) struct Report<'a> {
    pub(super) line: Line<'a>,
    /// By the player's clock.
    pub(super) at_ms: u64,
}

impl CmcdSessions {
    pub(crate) fn new() -> io::Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            sessions: Mutex::default(),
            max: MAX_SESSIONS,
        })
    }

    /// Applies the reports of one session in their order; answers what the log does not have yet.
    pub(super) fn apply(
        &self,
        site: &str,
        player: &str,
        id: &str,
        reports: &[Report<'_>],
        now_ms: i64,
    ) -> Result<Vec<Beacon>, Full> {
        let mut sessions = self.sessions();
        let key = (site.to_owned(), id.to_owned());
        if sessions.len() >= self.max && !sessions.contains_key(&key) {
            sessions.retain(|_, session| now_ms - session.heard_ms < FORGET_AFTER_MS);
            if sessions.len() >= self.max {
                return Err(Full);
            }
        }
        let session = sessions.entry(key).or_default();
        if now_ms - session.heard_ms >= FORGET_AFTER_MS {
            *session = Session::default();
        }
        session.heard_ms = now_ms;
        let mut beacons = Vec::new();
        for report in reports {
            if let Some(sn) = report.line.number("sn") {
                let mode = usize::from(report.line.text("e").is_none());
                if !session.seen.get_mut(mode).is_none_or(|window| window.insert(sn)) {
                    continue;
                }
            }
            if session
                .view
                .as_ref()
                .is_some_and(|view| view.is_over_before(&report.line, report.at_ms))
            {
                beacons.extend(session.view.as_mut().and_then(CmcdView::beacon));
                session.view = None;
            }
            let view = session.view.get_or_insert_with(|| {
                session.views += 1;
                let view_id = self.uuid(&[site, id, &session.views.to_string(), &now_ms.to_string()]);
                let session_id = if is_uuid(id) {
                    id.to_ascii_lowercase()
                } else {
                    self.uuid(&[site, id])
                };
                CmcdView::new(view_id, session_id, player, &report.line, report.at_ms)
            });
            view.apply(&report.line, report.at_ms);
        }
        beacons.extend(session.view.as_mut().and_then(CmcdView::beacon));
        Ok(beacons)
    }

    /// The log did not take this beacon of a session.
    pub(super) fn take_back(&self, site: &str, id: &str, beacon: Beacon) {
        let mut sessions = self.sessions();
        let session = sessions.get_mut(&(site.to_owned(), id.to_owned()));
        if let Some(view) = session.and_then(|session| session.view.as_mut())
            && view.view_id == beacon.view_id
        {
            view.take_back(beacon);
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Key, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A UUIDv8 (RFC 9562) of these parts.
    fn uuid(&self, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(part.as_bytes());
            context.update(&[0xff]);
        }
        let tag = context.sign();
        let bytes = tag.as_ref().first_chunk::<16>().copied().unwrap_or_default();
        let mut bits = u128::from_be_bytes(bytes);
        bits = bits & !(0xf << 76) | 8 << 76;
        bits = bits & !(0x3 << 62) | 2 << 62;
        let hex = format!("{bits:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!(
            "{}-{}-{}-{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32)
        )
    }
}

impl Window {
    /// Answers whether the number is new. Numbers that are too old are not.
    fn insert(&mut self, number: u64) -> bool {
        if number >= self.next {
            let shift = u32::try_from(number - self.next + 1).unwrap_or(u32::MAX);
            self.bits = self.bits.checked_shl(shift).unwrap_or(0) | 1;
            self.next = number.saturating_add(1);
            return true;
        }
        let back = u32::try_from(self.next - 1 - number).unwrap_or(u32::MAX);
        let bit = 1_u128.checked_shl(back).unwrap_or(0);
        let is_new = bit != 0 && self.bits & bit == 0;
        self.bits |= bit;
        is_new
    }
}

fn is_uuid(text: &str) -> bool {
    crate::collector::accept::uuid(text).is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_uuids_of_version_8() {
        let sessions = CmcdSessions::new().unwrap();
        let id = sessions.uuid(&["a", "b"]);
        assert!(
            is_uuid(&id) && id.as_bytes()[14] == b'8' && b"89ab".contains(&id.as_bytes()[19]),
            "{id}"
        );
        assert_eq!(sessions.uuid(&["a", "b"]), id);
        assert_ne!(sessions.uuid(&["ab", ""]), id);
        assert_ne!(CmcdSessions::new().unwrap().uuid(&["a", "b"]), id);
    }

    #[test]
    fn sessions_are_bounded_and_the_silent_go_first() {
        let mut sessions = CmcdSessions::new().unwrap();
        sessions.max = 3;
        let apply = |id: &str, now_ms: i64| {
            let report = Report {
                line: Line::read("e=ps,sta=p").unwrap(),
                at_ms: 0,
            };
            sessions.apply("site", "x", id, &[report], now_ms).is_ok()
        };
        assert!(["a", "b", "c"].iter().all(|id| apply(id, 0)));
        assert!(!apply("d", 1) && apply("a", FORGET_AFTER_MS - 1));
        assert!(apply("d", FORGET_AFTER_MS));
        assert_eq!(sessions.sessions().len(), 2);
    }

    proptest! {
        #[test]
        fn each_number_counts_once(numbers in proptest::collection::vec(0..100_u64, 0..300)) {
            let mut window = Window::default();
            let mut seen = std::collections::HashSet::new();
            for number in numbers {
                prop_assert_eq!(window.insert(number), seen.insert(number));
            }
        }
    }
}
