//! Streams that are made up on request: HLS and DASH, finished and live, in one period or several.
//!
//! There are no bytes of media, only their sizes and what a look into them would find. The timestamps of each period or
//! discontinuity begin somewhere else, so that a player that does not heed them is found out.

use std::fmt::Write as _;

use player_core::MediaTime;
use player_core::input::TrackKind;
use player_core::media::fmp4::{Facts, Start, Track};
use player_core::time::{ByteRange, TimeRange};

use crate::generate::random::{Rng, hash};

/// What the URLs of all files begin with.
pub const FOLDER: &str = "https://origin.invalid/";
/// Where redirects lead.
pub const ELSEWHERE: &str = "https://mirror.invalid/";
/// Bytes of an initialization section.
const INIT_BYTES: u64 = 800;
const TIMESCALE: u32 = 90_000;
/// A key is good for so many segments.
const KEY_SEGMENTS: i64 = 20;
/// The video ladder: kbit/s, lines.
const LADDER: [(u64, u32); 3] = [(350, 360), (1200, 720), (3500, 1080)];
const AUDIO_KBPS: u64 = 96;
const LANGUAGES: [&str; 3] = ["en", "de", "fr"];

/// Whose manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "their names say it")]
pub enum Protocol {
    Dash,
    Hls,
}

/// What segments come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "their names say it")]
pub enum Packaging {
    Fmp4,
    /// MPEG-2 transport stream; sound apart is packed. HLS only.
    Ts,
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many segments, and no more.
    Finished(i64),
    /// It is being made.
    Live {
        /// Segments in the window.
        window: i64,
        /// Segments that there were before the view began.
        before: i64,
        /// The number of segments at which it ends.
        ends: Option<i64>,
    },
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// HLS or DASH.
    pub protocol: Protocol,
    /// fMP4 or TS.
    pub packaging: Packaging,
    /// Finished or live.
    pub extent: Extent,
    /// AES-128, HLS only.
    pub encrypted: bool,
    /// Languages of sound that is apart from the pictures; 0 = the pictures have it.
    pub languages: usize,
    /// There are subtitles (HLS, or DASH in one period that is finished).
    pub text: bool,
    /// One file a rendition, finished fMP4 in one period only.
    pub ranges: bool,
    /// DASH: a `SegmentTimeline`.
    pub timeline: bool,
    /// Segments of a period or discontinuity; 0 = all.
    pub period: i64,
    /// Duration of a segment, milliseconds.
    pub segment_ms: i64,
    /// For the sizes of segments and timestamps.
    pub seed: u64,
}

/// What is behind a URL.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its Content-Type.
    pub content_type: &'static str,
    /// Its bytes, of a file that has ranges all of them.
    pub bytes: u64,
    /// Text that the engine reads.
    pub body: String,
    /// What is in media.
    pub media: Media,
    /// There is another of the kind that can be played in its place, or one can go on without it.
    pub replaceable: bool,
}

/// What is in media.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Media {
    /// None.
    #[default]
    None,
    /// A key.
    Key,
    /// An initialization section.
    Init {
        /// Of which kind.
        kind: TrackKind,
        /// Its bytes are not fMP4 as they are.
        raw: bool,
    },
    /// A segment.
    Segment {
        /// Of which kind.
        kind: TrackKind,
        /// When, by its own timestamps.
        times: TimeRange,
        /// Its bytes are not fMP4 as they are.
        raw: bool,
        /// It has pictures and sound.
        muxed: bool,
    },
}

impl Stream {
    /// A stream of an hour's worth of chance.
    pub(crate) fn random(rng: &mut Rng, live: bool) -> Self {
        let mut chance = |share: f64| rng.uniform() < share;
        let protocol = if chance(0.5) {
            Protocol::Hls
        } else {
            Protocol::Dash
        };
        let hls = protocol == Protocol::Hls;
        let packaging = if hls && chance(0.5) {
            Packaging::Ts
        } else {
            Packaging::Fmp4
        };
        let several = chance(0.5);
        let ranges = !live && !several && packaging == Packaging::Fmp4 && chance(0.4);
        let encrypted = hls && !ranges && chance(0.3);
        let text = chance(0.5) && (hls || (!live && !several));
        let timeline = !hls && !ranges && chance(0.5);
        let ends = chance(0.25);
        let mut pick = |from: i64, to: i64| from + (rng.uniform() * (to - from + 1) as f64) as i64;
        let segment_ms = [2000, 4000, 6000][pick(0, 2) as usize];
        let languages = pick(0, 3) as usize;
        let languages = if hls { languages } else { languages.max(1) };
        let period = if several { pick(8, 30) } else { 0 };
        let extent = if live {
            let window = pick(60_000, 600_000) / segment_ms;
            let before = pick(300_000, 7_200_000) / segment_ms;
            let more = pick(120_000, 600_000) / segment_ms;
            Extent::Live {
                window,
                before,
                ends: ends.then_some(before + more),
            }
        } else {
            Extent::Finished(pick(90_000, 600_000) / segment_ms)
        };
        Self {
            protocol,
            packaging,
            extent,
            encrypted,
            languages,
            text,
            ranges,
            timeline,
            period,
            segment_ms,
            seed: rng.next(),
        }
    }

    /// Whether it is being made when the view begins.
    pub const fn is_live(&self) -> bool {
        matches!(self.extent, Extent::Live { .. })
    }

    /// URL of the manifest.
    pub fn url(&self) -> String {
        let name = match self.protocol {
            Protocol::Dash => "manifest.mpd",
            Protocol::Hls => "master.m3u8",
        };
        format!("{FOLDER}{name}")
    }

    /// What it is, in a few words.
    pub fn describe(&self) -> String {
        let mut text = format!(
            "{} {} {}, segments of {} s",
            match self.extent {
                Extent::Finished(_) => "finished",
                Extent::Live { .. } => "live",
            },
            match self.protocol {
                Protocol::Dash => "DASH",
                Protocol::Hls => "HLS",
            },
            match self.packaging {
                Packaging::Fmp4 => "fMP4",
                Packaging::Ts => "TS",
            },
            self.segment_ms / 1000
        );
        for (on, what) in [
            (self.encrypted, "encrypted"),
            (self.ranges, "one file a rendition"),
            (self.timeline, "with a timeline"),
            (self.text, "with subtitles"),
            (self.period > 0, "in several periods"),
        ] {
            if on {
                text.push_str(", ");
                text.push_str(what);
            }
        }
        // Writing to a string cannot fail.
        let _ = match self.extent {
            Extent::Finished(count) => write!(text, ", {count} segments"),
            Extent::Live { window, before, ends } => {
                write!(
                    text,
                    ", window of {window} segments, {before} before, end {ends:?}"
                )
            }
        };
        let _ = write!(text, ", {} languages of sound", self.languages);
        text
    }

    /// Segments that there are at a time since the view began: the first that is still there, and one past the last.
    pub fn available(&self, view_ms: i64) -> (i64, i64) {
        match self.extent {
            Extent::Finished(count) => (0, count),
            Extent::Live { window, before, ends } => {
                let newest = before + view_ms.max(0) / self.segment_ms;
                match ends {
                    // A media sequence number never goes back.
                    Some(ends) if newest >= ends => ((ends - window).max(0), ends),
                    _ => ((newest - window).max(0), newest),
                }
            }
        }
    }

    /// Nothing will be added to what there is at a time since the view began.
    pub fn has_ended(&self, view_ms: i64) -> bool {
        match self.extent {
            Extent::Finished(_) => true,
            Extent::Live { before, ends, .. } => {
                ends.is_some_and(|ends| before + view_ms.max(0) / self.segment_ms >= ends)
            }
        }
    }

    /// When the stream began, milliseconds of the view (below zero).
    pub const fn began_ms(&self) -> i64 {
        match self.extent {
            Extent::Finished(_) => 0,
            Extent::Live { before, .. } => -before * self.segment_ms,
        }
    }

    /// What is behind a path at a time since the view began; `wall_ms` is the servers' clock then. Nothing = 404.
    pub fn resolve(
        &self,
        path: &str,
        range: Option<ByteRange>,
        view_ms: i64,
        wall_ms: u64,
    ) -> Option<Object> {
        let text = |content_type, body: String, replaceable| {
            Some(Object {
                content_type,
                bytes: body.len() as u64,
                body,
                media: Media::None,
                replaceable,
            })
        };
        match path {
            "master.m3u8" if self.protocol == Protocol::Hls => {
                return text("application/vnd.apple.mpegurl", self.master(), false);
            }
            "manifest.mpd" if self.protocol == Protocol::Dash => {
                // A newer version is asked for again by itself.
                return text(
                    "application/dash+xml",
                    self.mpd(view_ms, wall_ms),
                    view_ms > 60_000,
                );
            }
            "time" => return text("text/plain", iso(wall_ms), true),
            "t0.vtt" => {
                let mut body = "WEBVTT\n\n".to_owned();
                for n in 0..self.available(view_ms).1 {
                    cue(&mut body, n, n * self.segment_ms);
                }
                return text("text/vtt", body, true);
            }
            _ => {}
        }
        if let Some(key) = path
            .strip_prefix("key-")
            .and_then(|rest| rest.strip_suffix(".bin"))
        {
            key.parse::<i64>().ok()?;
            return Some(Object {
                content_type: "application/octet-stream",
                bytes: 16,
                body: String::new(),
                media: Media::Key,
                replaceable: false,
            });
        }
        if let Some(name) = path.strip_suffix(".m3u8") {
            let of = self.rendition(name)?;
            let body = self.playlist(name, of, view_ms, wall_ms);
            return text(
                "application/vnd.apple.mpegurl",
                body,
                of.0 == TrackKind::Text || name > "v0",
            );
        }
        if let Some(name) = path.strip_suffix(".mp4").filter(|name| !name.contains('/')) {
            let of = self.rendition(name)?;
            let range = range?;
            let media = if range.offset == 0 {
                self.init(of.0)
            } else {
                let mut offset = INIT_BYTES;
                let n = (0..self.available(view_ms).1).find(|n| {
                    let here = offset == range.offset;
                    offset += self.bytes(name, of.1, *n);
                    here
                })?;
                self.segment(of.0, n)
            };
            let is_init = range.offset == 0;
            return Some(Object {
                content_type: "video/mp4",
                bytes: range.length,
                body: String::new(),
                media,
                replaceable: !is_init || name > "v0",
            });
        }
        let (name, file) = path.split_once('/')?;
        let of = self.rendition(name)?;
        let (number, extension) = file.split_once('.')?;
        if number == "init" {
            return Some(Object {
                content_type: "video/mp4",
                bytes: INIT_BYTES,
                body: String::new(),
                media: self.init(of.0),
                replaceable: name > "v0",
            });
        }
        let n = number.parse::<i64>().ok()?;
        let (first, end) = self.available(view_ms);
        // What has left the window stays a little, and everything once it is a recording.
        let first = if self.has_ended(view_ms) {
            0
        } else {
            (first - 4).max(0)
        };
        if n < first || n >= end {
            return None;
        }
        if extension == "vtt" {
            let times = self.times(n);
            let mut body = format!(
                "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{},LOCAL:00:00:00.000\n\n",
                times.start.as_millis() * 90
            );
            cue(&mut body, n, 0);
            return text("text/vtt", body, true);
        }
        Some(Object {
            content_type: match extension {
                "ts" => "video/mp2t",
                "aac" => "audio/aac",
                _ => "video/mp4",
            },
            bytes: self.bytes(name, of.1, n),
            body: String::new(),
            media: self.segment(of.0, n),
            replaceable: true,
        })
    }

    /// What a look into fMP4 finds.
    pub fn facts(&self, media: &Media) -> Option<Box<Facts>> {
        let ids = |kind: TrackKind, muxed: bool| match (kind, muxed) {
            (TrackKind::Audio, _) => &[2][..],
            (_, true) => &[1, 2],
            _ => &[1],
        };
        match media {
            Media::None | Media::Key => None,
            Media::Init { kind, .. } => {
                let tracks = ids(*kind, self.languages == 0).iter().map(|id| Track {
                    id: *id,
                    handler: if *id == 1 { "vide" } else { "soun" }.to_owned(),
                    codec: if *id == 1 { "avc1.64001f" } else { "mp4a.40.2" }.to_owned(),
                    timescale: TIMESCALE,
                    edit_offset: 0,
                });
                Some(Box::new(Facts {
                    tracks: tracks.collect(),
                    ..Facts::default()
                }))
            }
            Media::Segment {
                kind, times, muxed, ..
            } => {
                let starts = ids(*kind, *muxed).iter().map(|id| Start {
                    track: *id,
                    decode_time: (times.start.as_micros().max(0) as u64) * u64::from(TIMESCALE) / 1_000_000,
                    composition_offset: 0,
                });
                Some(Box::new(Facts {
                    starts: starts.collect(),
                    ..Facts::default()
                }))
            }
        }
    }

    // Media ------------------------------------------------------------------------------------------------------------

    /// Kind and kbit/s of a rendition.
    fn rendition(&self, name: &str) -> Option<(TrackKind, u64)> {
        let (kind, number) = name.split_at_checked(1)?;
        let number = number.parse::<usize>().ok()?;
        match kind {
            "v" => LADDER.get(number).map(|(kbps, _)| (TrackKind::Video, *kbps)),
            "a" => (number < self.languages).then_some((TrackKind::Audio, AUDIO_KBPS)),
            "t" => (number == 0 && self.text).then_some((TrackKind::Text, 1)),
            _ => None,
        }
    }

    fn bytes(&self, name: &str, kbps: u64, n: i64) -> u64 {
        let vary = Rng::of(&[self.seed, hash(name), n as u64]).uniform();
        ((kbps * 1000 / 8 * self.segment_ms as u64 / 1000) as f64 * (0.7 + 0.6 * vary)) as u64
    }

    fn is_raw(&self, kind: TrackKind) -> bool {
        kind != TrackKind::Text && (self.packaging == Packaging::Ts || self.encrypted)
    }

    fn init(&self, kind: TrackKind) -> Media {
        Media::Init {
            kind,
            raw: self.encrypted,
        }
    }

    fn segment(&self, kind: TrackKind, n: i64) -> Media {
        Media::Segment {
            kind,
            times: self.times(n),
            raw: self.is_raw(kind),
            muxed: kind == TrackKind::Video && self.languages == 0,
        }
    }

    fn period_of(&self, n: i64) -> i64 {
        n.checked_div(self.period).unwrap_or(0)
    }

    /// Where the timestamps of a period begin, milliseconds.
    fn base_ms(&self, period: i64) -> i64 {
        (Rng::of(&[self.seed, 77, period as u64]).uniform() * 90_000.0) as i64
    }

    /// When a segment is by its own timestamps.
    fn times(&self, n: i64) -> TimeRange {
        let period = self.period_of(n);
        let start = self.base_ms(period) + (n - period * self.period) * self.segment_ms;
        TimeRange::new(
            MediaTime::from_millis(start),
            MediaTime::from_millis(start + self.segment_ms),
        )
    }

    // Manifests --------------------------------------------------------------------------------------------------------

    fn master(&self) -> String {
        let mut text = "#EXTM3U\n#EXT-X-VERSION:7\n".to_owned();
        for (i, language) in LANGUAGES.iter().enumerate().take(self.languages) {
            let default = if i == 0 { "YES" } else { "NO" };
            let _ = writeln!(
                text,
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"{language}\",LANGUAGE=\"{language}\",DEFAULT={default},\
                 AUTOSELECT=YES,URI=\"a{i}.m3u8\""
            );
        }
        if self.text {
            text.push_str(
                "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"t\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,\
                 URI=\"t0.m3u8\"\n",
            );
        }
        for (i, (kbps, lines)) in LADDER.iter().enumerate() {
            let _ = write!(
                text,
                "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION={}x{lines}",
                kbps * 1300,
                kbps * 1000,
                lines * 16 / 9
            );
            if self.languages > 0 {
                text.push_str(",AUDIO=\"a\"");
            }
            if self.text {
                text.push_str(",SUBTITLES=\"t\"");
            }
            let _ = writeln!(text, "\nv{i}.m3u8");
        }
        text
    }

    fn playlist(&self, name: &str, (kind, kbps): (TrackKind, u64), view_ms: i64, wall_ms: u64) -> String {
        let (first, end) = self.available(view_ms);
        let seconds = self.segment_ms / 1000;
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{seconds}\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
        );
        if self.period > 0 {
            let _ = writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.period_of(first));
        }
        let extension = match (kind, self.packaging) {
            (TrackKind::Text, _) => "vtt",
            (_, Packaging::Fmp4) => "m4s",
            (TrackKind::Audio, Packaging::Ts) => "aac",
            (TrackKind::Video, Packaging::Ts) => "ts",
        };
        let has_init = extension == "m4s";
        let mut offset = INIT_BYTES;
        for n in first..end {
            let is_first = n == first;
            let starts = self.period > 0 && n % self.period == 0;
            if starts && !is_first {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            let key_starts = n % KEY_SEGMENTS == 0;
            if self.encrypted && kind != TrackKind::Text && (is_first || key_starts) {
                let _ = writeln!(
                    text,
                    "#EXT-X-KEY:METHOD=AES-128,URI=\"key-{}.bin\",IV=0x{:032x}",
                    n / KEY_SEGMENTS,
                    n / KEY_SEGMENTS + 1
                );
            }
            if has_init && (is_first || starts) {
                match self.ranges {
                    true => {
                        let _ = writeln!(text, "#EXT-X-MAP:URI=\"{name}.mp4\",BYTERANGE=\"{INIT_BYTES}@0\"");
                    }
                    false => {
                        let _ = writeln!(text, "#EXT-X-MAP:URI=\"{name}/init.mp4\"");
                    }
                }
            }
            if self.is_live() && (is_first || starts) {
                let at = wall_ms as i64 - view_ms + self.began_ms() + n * self.segment_ms;
                let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", iso(at as u64));
            }
            let _ = writeln!(text, "#EXTINF:{seconds},");
            if self.ranges && kind != TrackKind::Text {
                let bytes = self.bytes(name, kbps, n);
                let _ = writeln!(text, "#EXT-X-BYTERANGE:{bytes}@{offset}\n{name}.mp4");
                offset += bytes;
            } else {
                let _ = writeln!(text, "{name}/{n}.{extension}");
            }
        }
        if self.has_ended(view_ms) {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        text
    }

    fn mpd(&self, view_ms: i64, wall_ms: u64) -> String {
        let (first, end) = self.available(view_ms);
        let began = (wall_ms as i64 - view_ms + self.began_ms()) as u64;
        let mut text =
            "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" minBufferTime=\"PT2S\""
                .to_owned();
        let live = !self.has_ended(view_ms);
        if live {
            let Extent::Live { window, .. } = self.extent else {
                return String::new();
            };
            let _ = write!(
                text,
                " type=\"dynamic\" availabilityStartTime=\"{}\" publishTime=\"{}\" minimumUpdatePeriod=\"PT{}S\" \
                 timeShiftBufferDepth=\"PT{}S\" suggestedPresentationDelay=\"PT{}S\"",
                iso(began),
                iso(wall_ms),
                self.segment_ms / 1000,
                window * self.segment_ms / 1000,
                self.segment_ms * 3 / 1000,
            );
        } else {
            let _ = write!(
                text,
                " type=\"static\" mediaPresentationDuration=\"PT{}S\"",
                end * self.segment_ms / 1000
            );
        }
        text.push_str(">\n");
        let last = self.period_of((end - 1).max(first));
        for period in self.period_of(first)..=last {
            let from = period * self.period;
            let to = if self.period > 0 {
                from + self.period
            } else {
                i64::MAX
            };
            let _ = write!(
                text,
                "<Period id=\"p{period}\" start=\"PT{}S\"",
                from * self.segment_ms / 1000
            );
            if period < last {
                let _ = write!(text, " duration=\"PT{}S\"", self.period * self.segment_ms / 1000);
            }
            text.push_str(">\n");
            let listed = (from.max(first), to.min(end));
            let _ = writeln!(
                text,
                "<AdaptationSet id=\"0\" contentType=\"video\" mimeType=\"video/mp4\" codecs=\"avc1.64001f\" segmentAlignment=\"true\">"
            );
            self.template(&mut text, period, from, listed);
            for (i, (kbps, lines)) in LADDER.iter().enumerate() {
                let _ = write!(
                    text,
                    "<Representation id=\"v{i}\" bandwidth=\"{}\" height=\"{lines}\" width=\"{}\"",
                    kbps * 1000,
                    lines * 16 / 9
                );
                self.list(&mut text, &format!("v{i}"), *kbps, end);
            }
            text.push_str("</AdaptationSet>\n");
            for (i, language) in LANGUAGES.iter().enumerate().take(self.languages) {
                let _ = writeln!(
                    text,
                    "<AdaptationSet id=\"{}\" contentType=\"audio\" mimeType=\"audio/mp4\" codecs=\"mp4a.40.2\" lang=\"{language}\">",
                    i + 1
                );
                self.template(&mut text, period, from, listed);
                let _ = write!(
                    text,
                    "<Representation id=\"a{i}\" bandwidth=\"{}\"",
                    AUDIO_KBPS * 1000
                );
                self.list(&mut text, &format!("a{i}"), AUDIO_KBPS, end);
                text.push_str("</AdaptationSet>\n");
            }
            if self.text {
                text.push_str(
                    "<AdaptationSet id=\"9\" contentType=\"text\" mimeType=\"text/vtt\" lang=\"en\"><Representation id=\"t0\" \
                     bandwidth=\"1000\"><BaseURL>t0.vtt</BaseURL></Representation></AdaptationSet>\n",
                );
            }
            text.push_str("</Period>\n");
        }
        if live {
            let _ = writeln!(
                text,
                "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"{FOLDER}time\"/>"
            );
        }
        text.push_str("</MPD>\n");
        text
    }

    fn template(&self, text: &mut String, period: i64, from: i64, (first, end): (i64, i64)) {
        if self.ranges {
            return;
        }
        let base = self.base_ms(period);
        let _ = write!(
            text,
            "<SegmentTemplate timescale=\"1000\" presentationTimeOffset=\"{base}\" initialization=\"$RepresentationID$/init.mp4\" \
             media=\"$RepresentationID$/$Number$.m4s\""
        );
        if self.timeline {
            let _ = writeln!(
                text,
                " startNumber=\"{first}\"><SegmentTimeline><S t=\"{}\" d=\"{}\" r=\"{}\"/></SegmentTimeline></SegmentTemplate>",
                base + (first - from) * self.segment_ms,
                self.segment_ms,
                (end - first - 1).max(0)
            );
        } else {
            let _ = writeln!(text, " startNumber=\"{from}\" duration=\"{}\"/>", self.segment_ms);
        }
    }

    /// The end of a representation: the ranges of its file.
    fn list(&self, text: &mut String, name: &str, kbps: u64, end: i64) {
        if !self.ranges {
            text.push_str("/>\n");
            return;
        }
        let _ = writeln!(
            text,
            "><BaseURL>{name}.mp4</BaseURL><SegmentList timescale=\"1000\" duration=\"{}\" presentationTimeOffset=\"{}\">\
             <Initialization range=\"0-{}\"/>",
            self.segment_ms,
            self.base_ms(0),
            INIT_BYTES - 1
        );
        let mut offset = INIT_BYTES;
        for n in 0..end {
            let bytes = self.bytes(name, kbps, n);
            let _ = writeln!(
                text,
                "<SegmentURL mediaRange=\"{offset}-{}\"/>",
                offset + bytes - 1
            );
            offset += bytes;
        }
        text.push_str("</SegmentList></Representation>\n");
    }
}

fn cue(text: &mut String, n: i64, from_ms: i64) {
    let time = |ms: i64| {
        format!(
            "{:02}:{:02}:{:02}.{:03}",
            ms / 3_600_000,
            ms / 60_000 % 60,
            ms / 1000 % 60,
            ms % 1000
        )
    };
    let _ = write!(
        text,
        "{} --> {}\nLine {n}\n\n",
        time(from_ms + 300),
        time(from_ms + 1800)
    );
}

/// A point in time as `2023-11-14T22:13:20.000Z`.
fn iso(ms: u64) -> String {
    let days = (ms / 86_400_000) as i64;
    // Howard Hinnant, chrono-compatible low-level date algorithms: days from civil, inverted.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let rest = ms % 86_400_000;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        rest / 3_600_000,
        rest / 60_000 % 60,
        rest / 1000 % 60,
        rest % 1000
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(iso(1_700_000_000_000), "2023-11-14T22:13:20.000Z");
        assert_eq!(iso(951_782_400_123), "2000-02-29T00:00:00.123Z");
    }

    #[test]
    fn what_manifests_list_is_there() {
        for seed in 0..60 {
            let mut rng = Rng::of(&[seed]);
            let stream = Stream::random(&mut rng, seed % 2 == 0);
            let wall = 1_700_000_000_000;
            let name = stream.url().strip_prefix(FOLDER).unwrap().to_owned();
            let body = stream.resolve(&name, None, 0, wall).unwrap().body;
            let read = player_core::manifest::parse(body.as_bytes(), &stream.url());
            let presentation = read.unwrap_or_else(|error| panic!("{error}: {}\n{body}", stream.describe()));
            assert_eq!(presentation.periods[0].tracks[0].renditions.len(), 3, "{body}");
            if stream.protocol == Protocol::Hls {
                let body = stream.resolve("v1.m3u8", None, 0, wall).unwrap().body;
                let list = player_core::manifest::hls::MediaPlaylist::read(
                    body.as_bytes(),
                    &format!("{FOLDER}v1.m3u8"),
                    None,
                );
                let list = list.unwrap_or_else(|error| panic!("{error}: {body}"));
                let (first, end) = stream.available(0);
                assert_eq!(list.index.len() as i64, end - first);
                for i in 0..list.index.len() {
                    let segment = list.index.get(i).unwrap();
                    let path = segment.resource.url.strip_prefix(FOLDER).unwrap().to_owned();
                    let object = stream.resolve(&path, segment.resource.range, 0, wall);
                    assert!(matches!(object.unwrap().media, Media::Segment { .. }), "{path}");
                }
            }
        }
    }
}
