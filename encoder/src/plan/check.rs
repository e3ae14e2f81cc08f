//! Plans that somebody else wrote: what no worker can follow is refused before anything is made of it.

use std::collections::BTreeSet;

use super::{Plan, VERSION};
use crate::index::Sound;
use crate::ladder::check_name;
use crate::pertitle::Report;
use crate::{pictures, text};

impl Plan {
    /// Says what makes it one that cannot be followed.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!("version {}", self.version));
        }
        self.idr.check()?;
        let mut names = BTreeSet::new();
        for rung in &self.video {
            rung.check()?;
            let is_side = |side: u32| side >= 2 && side <= u16::MAX.into();
            if !is_side(rung.width) || !is_side(rung.height) {
                return Err(format!("rung {:?} has no size", rung.name));
            }
            names.insert(rung.name.to_ascii_lowercase());
        }
        for audio in &self.audio {
            check_name(&audio.name)?;
            let Sound { rate, channels, .. } = audio.sound;
            let is_language = text::language::header_code(&audio.language) == audio.language;
            if !(1..=8).contains(&channels)
                || !(1..=1024).contains(&audio.bitrate_kbps)
                || rate == 0
                || !is_language
            {
                return Err(format!("sound {:?} cannot be encoded so", audio.name));
            }
            names.insert(audio.name.to_ascii_lowercase());
        }
        if names.len() < self.video.len() + self.audio.len() {
            return Err("two renditions have one name".to_owned());
        }
        let is_ascending =
            self.chunks.first() == Some(&0) && self.chunks.is_sorted_by(|one, next| one < next);
        if !is_ascending || self.chunks.iter().any(|start| !self.idr.starts_segment(*start)) {
            return Err("chunks that do not begin with segments, from the first on".to_owned());
        }
        if !self
            .duration_s
            .is_none_or(|seconds| (0.0..=MAX_SECONDS).contains(&seconds))
        {
            return Err("a length that no video has".to_owned());
        }
        self.pictures.as_ref().map_or(Ok(()), pictures::Plan::check)?;
        self.per_title.as_ref().map_or(Ok(()), Report::check)
    }
}

/// Thirty years.
const MAX_SECONDS: f64 = 1e9;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::super::tests::plan;
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let read = Plan::parse(plan().to_string().as_bytes()).unwrap();
        let again = serde_json::to_vec(&read).unwrap();
        assert_eq!(Plan::parse(&again).unwrap(), read);
        // A length of as many digits as there can be.
        for number in 1..100 {
            let mut plan = read.clone();
            plan.duration_s = Some(f64::from(number) * 1001.0 / 30_000.0);
            let again = serde_json::to_vec(&plan).unwrap();
            assert_eq!(Plan::parse(&again).unwrap(), plan);
        }
    }

    #[test]
    fn what_no_worker_can_follow_is_refused() {
        let regular = |segment: u64, gop: u64| json!({"regular": {"frames_per_segment": segment, "frames_per_gop": gop}});
        let listed = |starts: &[u64]| json!({"listed": {"starts": starts, "frames_per_segment": 50}});
        for (place, value) in [
            ("/version", json!(2)),
            ("/idr/rate/num", json!(0)),
            ("/idr/rate/den", json!(0)),
            ("/idr/rate/num", json!(u32::MAX)),
            ("/idr/cuts", regular(60, 0)),
            ("/idr/cuts", regular(0, 1)),
            ("/idr/cuts", regular(60, 40)),
            ("/idr/cuts", listed(&[])),
            ("/idr/cuts", listed(&[5])),
            ("/idr/cuts", listed(&[0, 50, 40])),
            ("/idr/cuts", listed(&[0, u64::MAX])),
            ("/video/0/name", json!("../../x")),
            ("/video/0/name", json!("AUDIO")),
            ("/video/0/width", json!(0)),
            ("/video/0/height", json!(70_000)),
            ("/video/0/preset", json!("a\u{0}b")),
            ("/audio/0/name", json!("a/b")),
            ("/audio/0/name", json!("360P")),
            ("/audio/0/language", json!("english")),
            ("/audio/0/sound/rate", json!(0)),
            ("/pictures/keep_ms", json!(0)),
            ("/pictures/width", json!(1)),
            ("/chunks", json!([])),
            ("/chunks", json!([0, 61])),
            ("/chunks", json!([0, 120, 60])),
            ("/duration_s", json!(-1)),
            ("/per_title/asked/preset", json!("<script>")),
            ("/per_title/rungs/0/name", json!("<script>")),
            ("/per_title/rungs/0/quality", json!(-1e300)),
            ("/per_title/points/0/kbps", json!(1e300)),
            ("/per_title/points/0/quality", json!(-5)),
            ("/per_title/saving/chosen_total_kbps", json!(-1)),
        ] {
            let mut changed = plan();
            *changed.pointer_mut(place).unwrap() = value.clone();
            let read = Plan::parse(changed.to_string().as_bytes());
            assert!(read.is_err(), "{place}: {value}");
        }
    }
}
