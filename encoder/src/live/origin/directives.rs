//! Delivery directives of a media playlist's URL (RFC 8216bis §6.2.5).

use std::time::Duration;

use crate::live::broadcast::Snapshot;

/// What a client asks for beside the playlist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives {
    /// `_HLS_msn`: hold the answer until there is this segment, or a later one.
    pub(super) msn: Option<u64>,
    /// `_HLS_part`: until there is this part of it.
    pub(super) part: Option<u64>,
    /// `_HLS_skip`: a delta update will do.
    pub(super) skip: bool,
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Answer,
    Wait,
    /// It asks for what is too far ahead.
    Refuse,
}

impl Directives {
    /// Reads the query of a URL; what it does not know is nobody's.
    ///
    /// # Errors
    /// For people: what is wrong with it.
    pub(super) fn read(query: &str) -> Result<Self, &'static str> {
        let mut directives = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let number = || {
                let is_plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                value.parse::<u64>().ok().filter(|_| is_plain)
            };
            match name {
                "_HLS_msn" if directives.msn.is_none() => {
                    directives.msn = Some(number().ok_or("_HLS_msn is no decimal number")?);
                }
                "_HLS_part" if directives.part.is_none() => {
                    directives.part = Some(number().ok_or("_HLS_part is no decimal number")?);
                }
                "_HLS_msn" | "_HLS_part" => return Err("a directive is there twice"),
                // There are no date ranges, so that both forms are the same.
                "_HLS_skip" => directives.skip = matches!(value, "YES" | "v2"),
                _ => {}
            }
        }
        if directives.part.is_some() && directives.msn.is_none() {
            return Err("_HLS_part needs _HLS_msn");
        }
        Ok(directives)
    }

    /// What is to be done now, where the newest is `at`.
    pub(super) fn verdict(self, at: &Snapshot, part_target: Duration) -> Verdict {
        let Some(msn) = self.msn else {
            return Verdict::Answer;
        };
        if at.is_over || msn < at.whole {
            return Verdict::Answer;
        }
        let open = at.open_parts as u64;
        let is_there = match self.part {
            None => msn == at.whole,
            Some(part) if msn == at.whole => part < at.whole_parts as u64 || open > 0,
            Some(part) => msn == at.whole + 1 && part < open,
        };
        if is_there {
            return Verdict::Answer;
        }
        // The next segment is the one in production.
        let ahead = msn - at.whole;
        let limit = advance_part_limit(part_target);
        let is_far = match (ahead, self.part) {
            (0..=2, None) | (0, Some(_)) => false,
            // The last part is open - 1.
            (1, Some(part)) => part + 1 > open.saturating_add(limit),
            (2, Some(part)) => part >= limit,
            _ => true,
        };
        match is_far {
            true => Verdict::Refuse,
            false => Verdict::Wait,
        }
    }
}

/// How many parts ahead may be asked for.
fn advance_part_limit(part_target: Duration) -> u64 {
    if part_target >= Duration::from_secs(1) {
        return 3;
    }
    (3.0 / part_target.as_secs_f64().max(0.001)).ceil() as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const PART: Duration = Duration::from_millis(500);

    fn at(whole: u64, whole_parts: usize, open_parts: usize) -> Snapshot {
        Snapshot {
            whole,
            whole_parts,
            open_parts,
            ..Snapshot::default()
        }
    }

    fn verdict(query: &str, at: &Snapshot) -> Verdict {
        Directives::read(query).unwrap().verdict(at, PART)
    }

    #[test]
    fn what_is_there_is_answered_and_what_comes_is_waited_for() {
        let at = at(10, 4, 2);
        for (query, expected) in [
            ("", Verdict::Answer),
            ("_HLS_msn=3&_HLS_part=99", Verdict::Answer),
            ("_HLS_msn=10", Verdict::Answer),
            ("_HLS_msn=11", Verdict::Wait),
            ("_HLS_msn=12", Verdict::Wait),
            ("_HLS_msn=13", Verdict::Refuse),
            ("_HLS_msn=18446744073709551615", Verdict::Refuse),
            ("_HLS_msn=11&_HLS_part=1", Verdict::Answer),
            ("_HLS_msn=11&_HLS_part=2", Verdict::Wait),
            ("_HLS_msn=11&_HLS_part=7", Verdict::Wait),
            ("_HLS_msn=11&_HLS_part=8", Verdict::Refuse),
            ("_HLS_msn=12&_HLS_part=0", Verdict::Wait),
            ("_HLS_msn=12&_HLS_part=6", Verdict::Refuse),
            // Past the last part of a segment that is whole: the first of the next one.
            ("_HLS_msn=10&_HLS_part=4", Verdict::Answer),
        ] {
            assert_eq!(verdict(query, &at), expected, "{query}");
        }
        assert_eq!(
            verdict("_HLS_msn=10&_HLS_part=4", &self::at(10, 4, 0)),
            Verdict::Wait
        );
        let over = Snapshot {
            is_over: true,
            ..self::at(10, 4, 0)
        };
        assert_eq!(verdict("_HLS_msn=999", &over), Verdict::Answer);
    }

    #[test]
    fn a_query_that_makes_no_sense_is_refused() {
        for query in [
            "_HLS_part=1",
            "_HLS_msn=",
            "_HLS_msn=-1",
            "_HLS_msn=+1",
            "_HLS_msn=1e3",
            "_HLS_msn=99999999999999999999",
            "_HLS_msn=1&_HLS_msn=2",
            "_HLS_msn=1&_HLS_part=x",
        ] {
            assert!(Directives::read(query).is_err(), "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_panics(query in "\\PC{0,80}") {
            let _ = Directives::read(&query);
        }

        /// Who was answered or has waited is never refused as more comes, and is answered by what was asked for.
        #[test]
        fn more_media_never_takes_an_answer_back(
            whole in 1_u64..50, parts in 1_usize..8, open in 0_usize..8, msn in 0_u64..60, part in prop::option::of(0_u64..20)
        ) {
            let directives = Directives { msn: Some(msn), part, skip: false };
            let open = open.min(parts);
            let first = directives.verdict(&at(whole, parts, open), PART);
            let (mut whole, mut open, mut last) = (whole, open, first);
            for _ in 0..100 {
                if open == parts { whole += 1; open = 0; } else { open += 1; }
                let next = directives.verdict(&at(whole, parts, open), PART);
                prop_assert!(!(last == Verdict::Answer && next != Verdict::Answer));
                prop_assert!(!(last == Verdict::Wait && next == Verdict::Refuse));
                if next == Verdict::Answer && last == Verdict::Wait {
                    let asked = (msn, part.unwrap_or(0));
                    prop_assert!((whole + u64::from(open > 0), open.saturating_sub(1) as u64) >= asked || whole >= msn);
                }
                last = next;
            }
            if first != Verdict::Refuse { prop_assert_eq!(last, Verdict::Answer); }
        }
    }
}
