//! Media playlists.

use player_core::manifest::ManifestError;
use player_core::manifest::hls::multivariant::{MAX_OTHER, Other};
use player_core::manifest::hls::{
    Item, MediaPlaylist, MediaSegment, PartialSegment, PreloadHint, Reader, RenditionReport, ServerControl,
    Tags, Tiles,
};
use player_core::presentation::DateRange;
use player_core::time::{MediaTime, WallTime};
use player_core::url;

use super::node::{Node, Object, list};
use super::{Failure, multivariant, other, protection};

pub(super) fn read(text: &str, url: &str, limit: usize) -> Result<Object, Failure> {
    match MediaPlaylist::read(text.as_bytes(), url, None) {
        // It can be shown all the same.
        Ok(_) | Err(ManifestError::Delta) => {}
        Err(error) => return Err(error.into()),
    }
    let lines = Lines::new(text);
    let mut reader = Reader::new(text.as_bytes(), url, None, true);
    reader.without_skipped();
    let mut others = other::unknown_attributes(text);
    let mut segments: Vec<Node> = Vec::new();
    let mut count = 0_usize;
    let mut parts: Vec<PartialSegment<'_>> = Vec::new();
    let mut clock = Clock::default();
    while let Some(item) = reader.next()? {
        match item {
            Item::Part(part) => parts.push(part),
            Item::Segment(segment) => {
                let wall = clock.of(&segment);
                count += 1;
                if segments.len() < limit {
                    segments.push(self::segment(&segment, wall, &parts, &reader, url).into());
                }
                parts.clear();
            }
            Item::Other { at, name, value } if others.len() < MAX_OTHER => others.push(Other {
                line: lines.of(at),
                tag: name.to_owned(),
                attribute: String::new(),
                value: value.to_owned(),
            }),
            Item::Other { .. } => {}
        }
    }
    others.sort_by_key(|other| other.line);
    let open = parts.first().map(|first| {
        Object::default()
            .with("media_sequence_number", first.number)
            .with("start", first.start)
            .with("parts", self::parts(&parts, url))
    });
    let warnings = reader.warnings();
    let defines = list(reader.definitions());
    Ok(playlist(&reader.tags, defines)
        .with("segment_count", count)
        .with("segments", segments)
        .given("open_segment", open)
        .with("preload_hints", list(&reader.tags.preload_hints))
        .with("rendition_reports", list(&reader.tags.rendition_reports))
        .with("other", list(&others))
        .with("warnings", list(&warnings)))
}

/// What concerns the whole.
fn playlist(tags: &Tags, defines: Node) -> Object {
    let control = Some(&tags.server_control).filter(|control| **control != ServerControl::default());
    let control = control.map(|control| {
        Object::default()
            .with("can_block_reload", control.can_block_reload)
            .given("can_skip_until", control.can_skip_until)
            .with("can_skip_dateranges", control.can_skip_date_ranges)
            .given("hold_back", control.hold_back)
            .given("part_hold_back", control.part_hold_back)
    });
    let skip = tags.skipped.map(|skipped| {
        Object::default()
            .with("skipped_segments", skipped)
            .with("recently_removed_dateranges", tags.removed_date_ranges.clone())
    });
    Object::of_kind("media")
        .with("version", tags.version)
        .with("target_duration", tags.target_duration)
        .given(
            "part_inf",
            tags.part_target
                .map(|target| Object::default().with("part_target", target)),
        )
        .given("server_control", control)
        .with("media_sequence", tags.media_sequence)
        .with("discontinuity_sequence", tags.discontinuity_sequence)
        .given(
            "playlist_type",
            (!tags.playlist_type.is_empty()).then_some(tags.playlist_type.as_str()),
        )
        .with("endlist", tags.ended)
        .with("i_frames_only", tags.i_frames_only)
        .with("images_only", tags.images_only)
        .with("independent_segments", tags.independent_segments)
        .given(
            "start",
            tags.start
                .map(|(offset, precise)| multivariant::start(offset, precise)),
        )
        .with("defines", defines)
        .given("skip", skip)
        .with("date_ranges", list(&tags.date_ranges))
}

fn segment(
    segment: &MediaSegment<'_>,
    wall: Option<WallTime>,
    parts: &[PartialSegment<'_>],
    reader: &Reader<'_>,
    base: &str,
) -> Object {
    let keys = segment.keys.and_then(|keys| reader.keys.get(keys));
    let map = segment.init.and_then(|init| reader.inits.get(init));
    Object::default()
        .with("media_sequence_number", segment.number)
        .with("uri", resolved(base, &segment.uri))
        .with("start", segment.start)
        .with("duration", segment.duration)
        .text("title", segment.title)
        .with("byte_range", segment.range)
        .with("discontinuity", segment.discontinuous)
        .with("discontinuity_sequence", segment.discontinuity)
        .with("program_date_time", segment.wall)
        .with("wall_clock", wall)
        .with("gap", segment.gap)
        .given("bitrate", (segment.kbps > 0).then_some(segment.kbps))
        .with("encrypted", keys.is_some())
        .with("keys", protection::hls(keys.map_or(&[][..], Vec::as_slice)))
        .with("map", map.map(Node::from))
        .given("tiles", tiles(segment.tiles, segment.duration))
        .with("parts", self::parts(parts, base))
}

fn parts(parts: &[PartialSegment<'_>], base: &str) -> Vec<Object> {
    let one = |part: &PartialSegment<'_>| {
        Object::default()
            .with("uri", resolved(base, &part.uri))
            .with("start", part.start)
            .with("duration", part.duration)
            .with("byte_range", part.range)
            .with("independent", part.independent)
            .with("gap", part.gap)
    };
    parts.iter().map(one).collect()
}

/// `None` if there is nothing that may be fetched.
fn resolved(base: &str, uri: &str) -> Option<String> {
    let uri = Some(uri).filter(|uri| !uri.is_empty())?;
    url::resolve(base, uri).ok()
}

/// `EXT-X-TILES`: the tiles of an image that is shown for this duration.
fn tiles(list: &str, image: MediaTime) -> Option<Object> {
    let tiles = Tiles::read(list)?;
    let size = tiles
        .resolution
        .map(|(width, height)| Object::default().with("width", width).with("height", height));
    let (columns, rows) = tiles.layout;
    let layout = Object::default().with("columns", columns).with("rows", rows);
    let count = i64::from(columns) * i64::from(rows);
    let share = MediaTime::from_micros(image.as_micros() / count);
    Some(
        Object::default()
            .given("resolution", size)
            .with("layout", layout)
            .with("duration", tiles.duration.unwrap_or(share)),
    )
}

impl From<&DateRange> for Node {
    fn from(range: &DateRange) -> Self {
        let mut object = Object::default()
            .with("id", range.id.as_str())
            .text("class", &range.class)
            .given("start_date", range.start)
            .given("end_date", range.end)
            .given("duration", range.duration)
            .given("planned_duration", range.planned_duration)
            .with("end_on_next", range.end_on_next)
            .text("cue", &range.cue);
        for (name, value) in &range.attributes {
            if name.starts_with("X-") || name.starts_with("SCTE35-") {
                object.put(name.to_ascii_lowercase().replace('-', "_"), value.as_str());
            }
        }
        object.into()
    }
}

impl From<&PreloadHint> for Node {
    fn from(hint: &PreloadHint) -> Self {
        Object::default()
            .with("type", if hint.is_map { "MAP" } else { "PART" })
            .with("uri", hint.url.as_str())
            .with("byterange_start", hint.start)
            .given("byterange_length", hint.length)
            .into()
    }
}

impl From<&RenditionReport> for Node {
    fn from(report: &RenditionReport) -> Self {
        Object::default()
            .with("uri", report.url.as_str())
            .given("last_msn", report.last_number)
            .given("last_part", report.last_part)
            .into()
    }
}

/// Wall-clock times of segments: declared, or following from that of the segment before.
#[derive(Default)]
struct Clock {
    next: Option<WallTime>,
    discontinuity: u64,
}

impl Clock {
    fn of(&mut self, segment: &MediaSegment<'_>) -> Option<WallTime> {
        let goes_on = self.discontinuity == segment.discontinuity;
        let wall = segment.wall.or(self.next.filter(|_| goes_on));
        self.discontinuity = segment.discontinuity;
        self.next = wall.map(|wall| wall + segment.duration);
        wall
    }
}

/// Line numbers of offsets.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// From 1.
    fn of(&self, at: usize) -> u32 {
        self.0.partition_point(|end| *end < at) as u32 + 1
    }
}
