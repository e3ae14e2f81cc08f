//! A server of a low-latency HLS stream: segments of four seconds in parts of half a second, made as time goes by.

use std::time::Duration;

use player_core::Instant;

use super::{LADDER, Reply, SEGMENT_S, WALL_CLOCK_MS, media, status, text};

/// Parts of a segment.
pub(crate) const PARTS: i64 = 8;
/// Segments that a playlist lists.
const WINDOW: i64 = 8;

pub(crate) struct LowLatency {
    /// Parts that were there when the clock began.
    pub(crate) before: i64,
    /// Nothing is made from then on,
    pub(crate) stops_at: Option<Instant>,
    /// and the stream is over.
    pub(crate) ends: bool,
    /// The server answers at once, whatever it is asked for.
    pub(crate) never_blocks: bool,
    /// Parts that are announced never come: the list names others.
    pub(crate) lies: bool,
    /// Delta updates are given.
    pub(crate) skips: bool,
    pub(crate) has_dates: bool,
    pub(crate) kbps_audio: u32,
}

impl Default for LowLatency {
    fn default() -> Self {
        Self {
            before: 6 * PARTS + 3,
            stops_at: None,
            ends: false,
            never_blocks: false,
            lies: false,
            skips: false,
            has_dates: true,
            kbps_audio: 128,
        }
    }
}

impl LowLatency {
    fn part() -> Duration {
        Duration::from_millis(SEGMENT_S as u64 * 1000 / PARTS as u64)
    }

    /// Parts that are there.
    pub(crate) fn made(&self, now: Instant) -> i64 {
        let until = self.stops_at.map_or(now, |at| at.min(now));
        self.before + (until.as_micros() / Self::part().as_micros() as u64) as i64
    }

    /// When the chunks of a segment that is asked for by its number come, from now on: of one that is being made as they are made; and the
    /// bytes of each. `None` if it is all there, or nothing of it.
    pub(crate) fn chunks(&self, now: Instant, url: &str) -> Option<(Vec<Duration>, u64)> {
        let (name, file) = url.strip_prefix("https://h/ll/")?.split_once('/')?;
        let segment: i64 = file.strip_suffix(".m4s")?.parse().ok()?;
        let made = self.made(now);
        let first = (segment - 1) * PARTS;
        if made >= segment * PARTS || made <= first {
            return None;
        }
        let of = |part| self.until(now, first + part + 1);
        let times = (0..PARTS).map_while(of).collect();
        Some((times, self.bytes(name) / PARTS as u64))
    }

    /// Bytes of a segment.
    fn bytes(&self, name: &str) -> u64 {
        let known = LADDER.iter().find(|(known, ..)| *known == name);
        known.map_or(self.kbps_audio, |(_, kbps, _)| *kbps) as u64 * 125 * SEGMENT_S as u64
    }

    /// The MPD: its timeline began when the first part was begun.
    fn mpd(&self) -> String {
        let ms = WALL_CLOCK_MS as i64 - self.before * 500;
        let template = format!(
            "<SegmentTemplate timescale=\"1000\" duration=\"{}\" availabilityTimeOffset=\"3.5\" availabilityTimeComplete=\"false\" media=\"$RepresentationID$/$Number$.m4s\" initialization=\"$RepresentationID$/init.mp4\"/>",
            SEGMENT_S * 1000
        );
        let video: String = LADDER
            .iter()
            .map(|(name, kbps, height)| {
                format!(
                    "<Representation id=\"{name}\" bandwidth=\"{}\" height=\"{height}\"/>",
                    kbps * 1000
                )
            })
            .collect();
        format!(
            "<MPD type=\"dynamic\" availabilityStartTime=\"{}\" minimumUpdatePeriod=\"PT30S\" timeShiftBufferDepth=\"PT30S\">\
             <ServiceDescription><Latency target=\"2000\"/><PlaybackRate min=\"0.96\" max=\"1.04\"/></ServiceDescription><Period start=\"PT0S\">\
             <AdaptationSet contentType=\"video\" mimeType=\"video/mp4\" codecs=\"avc1.64001f\">{template}{video}</AdaptationSet>\
             <AdaptationSet contentType=\"audio\" mimeType=\"audio/mp4\" codecs=\"mp4a.40.2\">{template}<Representation id=\"audio\" bandwidth=\"128000\"/></AdaptationSet>\
             </Period><UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:direct:2014\" value=\"{}\"/></MPD>",
            date(ms),
            date(WALL_CLOCK_MS as i64)
        )
    }

    /// How long until so many parts are there; `None` if they never are.
    fn until(&self, now: Instant, parts: i64) -> Option<Duration> {
        if parts <= self.made(now) {
            return Some(Duration::ZERO);
        }
        let at = Instant::ZERO + Self::part() * (parts - self.before) as u32;
        self.stops_at.is_none_or(|stop| at <= stop).then(|| at.since(now))
    }

    pub(crate) fn edge_s(&self, now: Instant) -> f64 {
        self.made(now) as f64 * Self::part().as_secs_f64()
    }

    /// An answer, and how long it is held; `None` if it is not this stream's.
    pub(crate) fn answer(&self, now: Instant, url: &str) -> Option<(Duration, Reply)> {
        let path = url.strip_prefix("https://h/ll/")?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let directive = |name: &str| {
            let value = query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
            value.parse::<i64>().ok()
        };
        if path == "manifest.mpd" {
            return Some((Duration::ZERO, text(&self.mpd())));
        }
        if path == "master.m3u8" {
            return Some((Duration::ZERO, text(&master())));
        }
        if let Some(name) = path.strip_suffix(".m3u8") {
            let (segments, parts) = (directive("_HLS_msn"), directive("_HLS_part"));
            if parts.is_some() && segments.is_none() {
                return Some((Duration::ZERO, status(400)));
            }
            let wanted = segments.map_or(0, |msn| match parts {
                Some(part) => msn * PARTS + part + 1,
                None => (msn + 1) * PARTS,
            });
            let hold = match self.until(now, wanted) {
                _ if self.never_blocks || (self.ends && self.stops_at.is_some_and(|at| now >= at)) => {
                    Duration::ZERO
                }
                Some(hold) => hold,
                None if self.ends => self.stops_at?.since(now),
                None => return Some((Duration::from_secs(12), status(503))),
            };
            let skip = self.skips && query.contains("_HLS_skip=YES");
            return Some((hold, text(&self.playlist(name, now + hold, skip))));
        }
        let (name, file) = path.split_once('/')?;
        let bytes = self.bytes(name);
        let numbers: Vec<i64> = file.split('.').filter_map(|n| n.parse().ok()).collect();
        Some(match numbers.as_slice() {
            [] => (Duration::ZERO, media(800)),
            [segment] if self.made(now) >= segment * PARTS => (Duration::ZERO, media(bytes)),
            [segment, part] if !self.lies => match self.until(now, (segment - 1) * PARTS + part + 1) {
                Some(hold) => (hold, media(bytes / PARTS as u64)),
                None => (Duration::from_secs(30), status(404)),
            },
            [segment, part] if self.made(now) > (segment - 1) * PARTS + part => {
                (Duration::ZERO, media(bytes / PARTS as u64))
            }
            _ => (Duration::ZERO, status(404)),
        })
    }

    /// The playlist of a rendition. A file's number is one more than its segment's.
    fn playlist(&self, name: &str, now: Instant, skip: bool) -> String {
        let made = self.made(now);
        let ended = self.ends && self.stops_at.is_some_and(|at| now >= at);
        let (whole, open) = (made / PARTS, made % PARTS);
        let first = (whole - WINDOW).max(0);
        let mut body = format!(
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:{SEGMENT_S}\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5,CAN-SKIP-UNTIL=24\n\
             #EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
        );
        let skipped = if skip { 2 } else { 0 };
        if skip {
            body.push_str(&format!("#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n"));
        } else {
            body.push_str(&format!("#EXT-X-MAP:URI=\"{name}/init.mp4\"\n"));
        }
        for segment in first + skipped..=whole {
            if self.has_dates {
                let at = WALL_CLOCK_MS as i64 - self.before * 500 + segment * SEGMENT_S * 1000;
                body.push_str(&format!("#EXT-X-PROGRAM-DATE-TIME:{}\n", date(at)));
            }
            let parts = if segment == whole { open } else { PARTS };
            if segment + 3 > whole {
                for part in 0..parts {
                    let independent = if part == 0 { ",INDEPENDENT=YES" } else { "" };
                    body.push_str(&format!(
                        "#EXT-X-PART:DURATION=0.5,URI=\"{name}/{}.{part}.m4s\"{independent}\n",
                        segment + 1
                    ));
                }
            }
            if segment < whole {
                body.push_str(&format!("#EXTINF:{SEGMENT_S},\n{name}/{}.m4s\n", segment + 1));
            }
        }
        if ended {
            body.push_str("#EXT-X-ENDLIST\n");
        } else {
            let announced = if self.lies { "never" } else { name };
            body.push_str(&format!(
                "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{announced}/{}.{open}.m4s\"\n",
                whole + 1
            ));
            let (msn, part) = ((made - 1) / PARTS, (made - 1) % PARTS);
            for other in LADDER
                .iter()
                .map(|(name, ..)| *name)
                .chain(["audio"])
                .filter(|other| *other != name)
            {
                body.push_str(&format!(
                    "#EXT-X-RENDITION-REPORT:URI=\"{other}.m3u8\",LAST-MSN={msn},LAST-PART={part}\n"
                ));
            }
        }
        body
    }
}

fn master() -> String {
    let mut master = String::from(
        "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"main\",DEFAULT=YES,URI=\"audio.m3u8\"\n",
    );
    for (name, kbps, height) in LADDER {
        master.push_str(&format!(
            "#EXT-X-STREAM-INF:BANDWIDTH={},CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION={}x{height},AUDIO=\"a\"\n{name}.m3u8\n",
            kbps * 1000,
            height * 16 / 9
        ));
    }
    master
}

/// A date of November 2023, as both manifests write it.
fn date(ms: i64) -> String {
    let (s, ms) = (ms / 1000, ms % 1000);
    // The 14th is day 19 675.
    let (day, second) = (s / 86_400 - 19_675, s % 86_400);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "2023-11-{:02}T{hour:02}:{minute:02}:{:02}.{ms:03}Z",
        14 + day,
        second % 60
    )
}
