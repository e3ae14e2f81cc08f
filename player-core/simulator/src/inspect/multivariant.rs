//! Multivariant playlists.

use player_core::manifest::hls::multivariant::{Media, Other, SessionData, Variant};
use player_core::manifest::hls::{Definition, Multivariant, Origin, attributes};

use super::node::{Node, Object, list};
use super::{Failure, protection};

pub(super) fn read(text: &str, url: &str) -> Result<Object, Failure> {
    let playlist = Multivariant::read(text, url)?;
    // What cannot be played is odd, too.
    let warnings = playlist.clone().into_presentation()?.warnings;
    let start = playlist
        .start
        .map(|start| self::start(start.time_offset, start.precise));
    let steering = playlist.content_steering.as_ref().map(|steering| {
        Object::default()
            .with("line", steering.line)
            .with("server_uri", steering.server_uri.as_str())
            .text("pathway_id", &steering.pathway_id)
    });
    Ok(Object::of_kind("multivariant")
        .given("version", playlist.version)
        .with("independent_segments", playlist.independent_segments)
        .given("start", start)
        .with("defines", list(&playlist.defines))
        .given("content_steering", steering)
        .with("session_data", list(&playlist.session_data))
        .with("session_keys", protection::hls(&playlist.session_keys))
        .with("media", list(&playlist.media))
        .with("variants", variants(&playlist.variants, text))
        .with("i_frame_streams", list(&playlist.i_frame_streams))
        .with("image_streams", list(&playlist.image_streams))
        .with("other", list(&playlist.other))
        .with("warnings", list(&warnings)))
}

/// Of those of which it is said that they have no captions it is shown: a group may be called "NONE", too.
fn variants(all: &[Variant], text: &str) -> Vec<Node> {
    let lines: Vec<&str> = text.split('\n').collect();
    let has_none = |variant: &&Variant| {
        let line = lines.get(variant.line as usize - 1).unwrap_or(&"");
        let list = line.split_once(':').map_or("", |(_, list)| list);
        attributes(list).any(|(name, value)| {
            let at = || value.as_ptr() as usize - line.as_ptr() as usize;
            let has_quotes = || line.as_bytes().get(at() - 1) == Some(&b'"');
            name == "CLOSED-CAPTIONS" && value == "NONE" && !has_quotes()
        })
    };
    let one = |variant: &Variant| {
        let mut object = object(variant);
        if Some(variant).filter(has_none).is_some() {
            object.set("closed_captions", Node::Null);
        }
        object.into()
    };
    all.iter().map(one).collect()
}

/// `EXT-X-START`.
pub(super) fn start(time_offset: player_core::MediaTime, precise: bool) -> Object {
    Object::default()
        .with("time_offset", time_offset)
        .with("precise", precise)
}

impl From<&Definition> for Node {
    fn from(definition: &Definition) -> Self {
        let origin = match definition.origin {
            Origin::Value => "VALUE",
            Origin::Import => "IMPORT",
            Origin::QueryParam => "QUERYPARAM",
        };
        Object::default()
            .given("line", (definition.line > 0).then_some(definition.line))
            .with("name", definition.name.as_str())
            .with("value", definition.value.as_str())
            .with("origin", origin)
            .into()
    }
}

impl From<&Variant> for Node {
    fn from(variant: &Variant) -> Self {
        object(variant).into()
    }
}

fn object(variant: &Variant) -> Object {
    let resolution = variant
        .resolution
        .map(|(width, height)| Object::default().with("width", width).with("height", height));
    Object::default()
        .with("line", variant.line)
        .with("uri", variant.uri.as_str())
        .with("bandwidth", variant.bandwidth)
        .given("average_bandwidth", variant.average_bandwidth)
        .given("score", variant.score)
        .text("codecs", &variant.codecs)
        .text("supplemental_codecs", &variant.supplemental_codecs)
        .given("resolution", resolution)
        .given("frame_rate", variant.frame_rate)
        .text("hdcp_level", &variant.hdcp_level)
        .text("allowed_cpc", &variant.allowed_cpc)
        .text("video_range", &variant.video_range)
        .text("req_video_layout", &variant.req_video_layout)
        .text("stable_variant_id", &variant.stable_variant_id)
        .text("audio", &variant.audio)
        .text("video", &variant.video)
        .text("subtitles", &variant.subtitles)
        .text("closed_captions", &variant.closed_captions)
        .text("pathway_id", &variant.pathway_id)
        .text("name", &variant.name)
}

impl From<&Media> for Node {
    fn from(media: &Media) -> Self {
        Object::default()
            .with("line", media.line)
            .with("type", media.kind.name())
            .text("uri", &media.uri)
            .with("group_id", media.group_id.as_str())
            .text("language", &media.language)
            .text("assoc_language", &media.assoc_language)
            .with("name", media.name.as_str())
            .text("stable_rendition_id", &media.stable_rendition_id)
            .with("default", media.default)
            .with("autoselect", media.autoselect)
            .with("forced", media.forced)
            .text("instream_id", &media.instream_id)
            .given("bit_depth", media.bit_depth)
            .given("sample_rate", media.sample_rate)
            .text("characteristics", &media.characteristics)
            .text("channels", &media.channels)
            .into()
    }
}

impl From<&SessionData> for Node {
    fn from(data: &SessionData) -> Self {
        Object::default()
            .with("line", data.line)
            .with("data_id", data.data_id.as_str())
            .given("value", data.value.as_deref())
            .text("uri", &data.uri)
            .text("format", &data.format)
            .text("language", &data.language)
            .into()
    }
}

impl From<&Other> for Node {
    fn from(other: &Other) -> Self {
        Object::default()
            .with("line", other.line)
            .with("tag", other.tag.as_str())
            .text("attribute", &other.attribute)
            .with("value", other.value.as_str())
            .into()
    }
}
