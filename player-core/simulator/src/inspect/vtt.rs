//! WebVTT files.

use player_core::text::webvtt::{Align, Cue, Edge, LinePosition, Piece, Region, Side, Vertical, WebVtt};
use player_core::thumbnails::{Area, Sprites, Thumbnail};

use super::Failure;
use super::node::{Node, Object, list};

pub(super) fn read(bytes: &[u8], url: &str, limit: usize) -> Result<Object, Failure> {
    let mut vtt = WebVtt::parse(bytes)?;
    let map = vtt.timestamp_map.map(|map| {
        Object::default()
            .with("local", map.local)
            .with("mpegts", map.mpegts)
    });
    let header: Vec<_> = vtt.header().map(Node::from).collect();
    let styles: Vec<_> = vtt.styles().map(Node::from).collect();
    let cues: Vec<_> = vtt.cues().take(limit).map(|cue| Node::from(&cue)).collect();
    let mut object = Object::of_kind("vtt")
        .text("title", vtt.title())
        .with("header", header)
        .given("x_timestamp_map", map)
        .with("styles", styles)
        .with("regions", list(&vtt.regions))
        .with("cue_count", vtt.len())
        .with("cues", cues);
    let is_sprites = vtt.cues().any(|cue| cue.text.contains("#xywh="));
    let mut warnings = core::mem::take(&mut vtt.warnings);
    if is_sprites {
        vtt.warnings = warnings;
        let sprites = Sprites::new(vtt, url);
        let thumbnails = (0..sprites.len()).filter_map(|i| sprites.get(i)).take(limit);
        object.put(
            "thumbnails",
            thumbnails.map(|one| Node::from(&one)).collect::<Vec<_>>(),
        );
        warnings = sprites.warnings;
    }
    Ok(object.with("warnings", list(&warnings)))
}

impl From<&Cue<'_>> for Node {
    fn from(cue: &Cue<'_>) -> Self {
        Object::default()
            .with("id", (!cue.id.is_empty()).then_some(cue.id))
            .with("start", cue.start)
            .with("end", cue.end)
            .with("settings", settings(cue))
            .with("text", cue.text)
            .with("markup", cue.markup().map(piece).collect::<Vec<_>>())
            .into()
    }
}

/// Those that differ from what counts without them.
fn settings(cue: &Cue<'_>) -> Object {
    let settings = &cue.settings;
    let vertical = settings.vertical.map(|vertical| match vertical {
        Vertical::LeftToRight => "lr",
        Vertical::RightToLeft => "rl",
    });
    let line = settings.line.map(|line| match line {
        LinePosition::Number(number) => Node::from(number),
        LinePosition::Percent(percent) => Node::from(format!("{percent}%")),
    });
    let line_align = match settings.line_align {
        Edge::Start => None,
        Edge::Center => Some("center"),
        Edge::End => Some("end"),
    };
    let position_align = settings.position_align.map(|side| match side {
        Side::LineLeft => "line-left",
        Side::Center => "center",
        Side::LineRight => "line-right",
    });
    let align = match settings.align {
        Align::Start => "start",
        Align::Center => "center",
        Align::End => "end",
        Align::Left => "left",
        Align::Right => "right",
    };
    Object::default()
        .text("region", settings.region)
        .given("vertical", vertical)
        .given("line", line)
        .given("line_align", line_align)
        .given("position", settings.position)
        .given("position_align", position_align)
        .given("size", (settings.size != 100.0).then_some(settings.size))
        .given("align", (align != "center").then_some(align))
}

fn piece(piece: Piece<'_>) -> Object {
    match piece {
        Piece::Text(text) => Object::default().with("text", &*text),
        Piece::Time(time) => Object::default().with("time", time),
        Piece::Close(tag) => Object::default().with("close", tag.name()),
        Piece::Open(element) => Object::default()
            .with("open", element.tag.name())
            .text("annotation", &element.annotation)
            .with("classes", element.classes().map(Node::from).collect::<Vec<_>>()),
    }
}

impl From<&Region> for Node {
    fn from(region: &Region) -> Self {
        let anchor = |(x, y): (f64, f64)| vec![x, y];
        Object::default()
            .with("id", region.id.as_str())
            .with("width", region.width)
            .with("lines", region.lines)
            .with("regionanchor", anchor(region.region_anchor))
            .with("viewportanchor", anchor(region.viewport_anchor))
            .given("scroll", region.scroll_up.then_some("up"))
            .into()
    }
}

impl From<&Thumbnail> for Node {
    fn from(thumbnail: &Thumbnail) -> Self {
        let area = match thumbnail.area {
            Area::Whole => None,
            Area::Pixels { x, y, width, height } => Some(area("pixel", [x, y, width, height].map(f64::from))),
            Area::Percent { x, y, width, height } => Some(area("percent", [x, y, width, height])),
        };
        Object::default()
            .with("uri", thumbnail.resource.url.as_str())
            .with("start", thumbnail.start)
            .with("end", thumbnail.end)
            .with("xywh", area)
            .into()
    }
}

fn area(unit: &str, [x, y, width, height]: [f64; 4]) -> Object {
    Object::default()
        .with("unit", unit)
        .with("x", x)
        .with("y", y)
        .with("width", width)
        .with("height", height)
}
