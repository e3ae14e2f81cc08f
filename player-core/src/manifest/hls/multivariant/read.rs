//! Text into a [`Multivariant`].

use std::borrow::Cow;

use super::{ContentSteering, MAX_OTHER, Media, MediaType, Multivariant, Other, SessionData, Start, Variant};
use crate::manifest::hls::define::Variables;
use crate::manifest::hls::key::{self, Key, has_scheme};
use crate::manifest::hls::lexer::{attributes, lines, seconds};
use crate::manifest::hls::warnings::Warnings;
use crate::manifest::{MAX_BYTES, MAX_RENDITIONS, ManifestError};
use crate::number;
use crate::presentation::Protection;
use crate::time::MediaTime;
use crate::url;

/// The longest name, group, codecs or the like, bytes.
const MAX_TEXT: usize = 1024;

/// Reads a playlist; with `ALL`, what is not known is collected too.
///
/// What only reports need is left out where it is not asked for at compile time: not a byte of it is in the browser's engine.
pub(super) fn read<const ALL: bool>(text: &str, url: &str) -> Result<Multivariant, ManifestError> {
    let mut reader = Reader::<ALL> {
        url,
        line: 1,
        tag: "",
        expanded: 0,
        variables: Variables::default(),
        warnings: Warnings::default(),
        other: Vec::new(),
    };
    let mut playlist = Multivariant::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.trim_start().starts_with("#EXTM3U") {
        reader.say("the playlist does not begin with #EXTM3U", "");
    }
    let mut pending: Pending = None;
    let mut controls = false;
    for line in lines(text) {
        let line = line.check()?;
        reader.line = line.number;
        if !controls && line.text.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            controls = true;
            reader.say("the playlist has control characters", "");
        }
        if let Some(uri) = line.uri() {
            match pending.take() {
                None => reader.say("a URI without EXT-X-STREAM-INF is skipped", uri),
                Some((_, None)) => {}
                Some((line, Some(mut variant))) => {
                    reader.line = line;
                    if let Some(resolved) = reader.uri(uri) {
                        variant.uri = resolved;
                        reader.limit(playlist.variants.len(), "too many variants")?;
                        playlist.variants.push(variant);
                    }
                }
            }
        } else if let Some((tag, value)) = line.tag() {
            reader.tag = tag;
            reader.tag(&mut playlist, &mut pending, value)?;
        }
        if reader.expanded > MAX_BYTES as usize {
            return Err(ManifestError::Limit {
                line: line.number,
                what: "the playlist is too large with its variables replaced",
                limit: MAX_BYTES as usize,
            });
        }
    }
    reader.no_uri(&pending);
    if playlist.variants.is_empty() {
        return Err(ManifestError::NothingToPlay(
            ": there is no usable EXT-X-STREAM-INF in it".into(),
        ));
    }
    playlist.defines = reader.variables.into_list();
    playlist.warnings = reader.warnings.into_list();
    playlist.other = reader.other;
    Ok(playlist)
}

/// Line and attributes of a variant whose URI is still to come; no attributes if it is not to be used.
type Pending = Option<(u32, Option<Variant>)>;

struct Reader<'a, const ALL: bool> {
    url: &'a str,
    /// Of the tag that is read.
    line: u32,
    tag: &'a str,
    /// Bytes of texts in which variables were replaced.
    expanded: usize,
    variables: Variables,
    warnings: Warnings,
    other: Vec<Other>,
}

impl<'a, const ALL: bool> Reader<'a, ALL> {
    fn tag(
        &mut self,
        playlist: &mut Multivariant,
        pending: &mut Pending,
        value: &'a str,
    ) -> Result<(), ManifestError> {
        match self.tag {
            "EXTM3U" => {}
            "EXT-X-VERSION" => {
                let version = self.number("EXT-X-VERSION", value.trim());
                let version = version.and_then(|version| u32::try_from(version).ok());
                self.once(&mut playlist.version, version);
            }
            "EXT-X-INDEPENDENT-SEGMENTS" => playlist.independent_segments = true,
            "EXT-X-START" => {
                let start = self.start(value);
                self.once(&mut playlist.start, start);
            }
            "EXT-X-DEFINE" => {
                let Self {
                    variables, warnings, ..
                } = self;
                variables.define(self.line, value, self.url, None, warnings);
            }
            "EXT-X-STREAM-INF" => {
                self.no_uri(pending);
                let variant = self.variant(value);
                *pending = Some((self.line, variant.map(|(variant, _)| variant)));
            }
            "EXT-X-I-FRAME-STREAM-INF" | "EXT-X-IMAGE-STREAM-INF" => {
                let list = if self.tag == "EXT-X-I-FRAME-STREAM-INF" {
                    &mut playlist.i_frame_streams
                } else {
                    &mut playlist.image_streams
                };
                let Some((mut variant, uri)) = self.variant(value) else {
                    return Ok(());
                };
                let Some(uri) = uri else {
                    self.say("a playlist has no URI", value);
                    return Ok(());
                };
                if let Some(resolved) = self.uri(uri).filter(|_| self.has_room(list.len())) {
                    variant.uri = resolved;
                    list.push(variant);
                }
            }
            "EXT-X-MEDIA" => {
                if let Some(media) = self.media(value) {
                    self.limit(playlist.media.len(), "too many renditions")?;
                    playlist.media.push(media);
                }
            }
            "EXT-X-SESSION-DATA" => {
                let list = &mut playlist.session_data;
                if let Some(data) = self.session_data(value).filter(|_| self.has_room(list.len())) {
                    let same = |known: &&SessionData| {
                        known.data_id == data.data_id && known.language == data.language
                    };
                    if list.iter().find(same).is_some() {
                        self.say("session data is there already", &data.data_id);
                    } else {
                        list.push(data);
                    }
                }
            }
            "EXT-X-SESSION-KEY" => self.session_key(&mut playlist.session_keys, value),
            "EXT-X-CONTENT-STEERING" => {
                let steering = self.steering(value);
                self.once(&mut playlist.content_steering, steering);
            }
            _ => self.unknown("", value),
        }
        Ok(())
    }

    /// Attributes and URI of a variant, if it can be used.
    fn variant(&mut self, list: &'a str) -> Option<(Variant, Option<&'a str>)> {
        let mut v = Variant {
            line: self.line,
            ..Variant::default()
        };
        let mut uri = None;
        for (name, value) in attributes(list) {
            match name {
                "URI" => uri = Some(value),
                "BANDWIDTH" => v.bandwidth = self.number(name, value).unwrap_or(0),
                "AVERAGE-BANDWIDTH" => {
                    v.average_bandwidth = self.number(name, value).filter(|bps| *bps > 0);
                }
                "SCORE" => v.score = self.decimal(name, value),
                "RESOLUTION" => {
                    v.resolution = value
                        .split_once(['x', 'X'])
                        .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
                    if v.resolution.is_none() {
                        self.say("RESOLUTION is not valid", value);
                    }
                }
                "FRAME-RATE" => v.frame_rate = self.decimal(name, value).filter(|rate| *rate > 0.0),
                "HDCP-LEVEL" => value.clone_into(&mut v.hdcp_level),
                "VIDEO-RANGE" => value.clone_into(&mut v.video_range),
                _ => {
                    let text = match name {
                        "CODECS" => &mut v.codecs,
                        "SUPPLEMENTAL-CODECS" => &mut v.supplemental_codecs,
                        "ALLOWED-CPC" => &mut v.allowed_cpc,
                        "REQ-VIDEO-LAYOUT" => &mut v.req_video_layout,
                        "STABLE-VARIANT-ID" => &mut v.stable_variant_id,
                        "AUDIO" => &mut v.audio,
                        "VIDEO" => &mut v.video,
                        "SUBTITLES" => &mut v.subtitles,
                        "CLOSED-CAPTIONS" => &mut v.closed_captions,
                        "PATHWAY-ID" => &mut v.pathway_id,
                        "NAME" => &mut v.name,
                        _ => {
                            self.unknown(name, value);
                            continue;
                        }
                    };
                    *text = self.string(value);
                }
            }
        }
        if v.bandwidth == 0 {
            self.say("a playlist without BANDWIDTH is skipped", list);
            return None;
        }
        Some((v, uri))
    }

    fn media(&mut self, list: &'a str) -> Option<Media> {
        let mut m = Media {
            line: self.line,
            ..Media::default()
        };
        let mut kind = "";
        let mut uri = None;
        for (name, value) in attributes(list) {
            match name {
                "TYPE" => kind = value,
                "URI" => uri = Some(value),
                "DEFAULT" => m.default = self.yes(name, value),
                "AUTOSELECT" => m.autoselect = self.yes(name, value),
                "FORCED" => m.forced = self.yes(name, value),
                "BIT-DEPTH" => m.bit_depth = self.number(name, value).and_then(|n| n.try_into().ok()),
                "SAMPLE-RATE" => m.sample_rate = self.number(name, value).and_then(|n| n.try_into().ok()),
                _ => {
                    let text = match name {
                        "GROUP-ID" => &mut m.group_id,
                        "LANGUAGE" => &mut m.language,
                        "ASSOC-LANGUAGE" => &mut m.assoc_language,
                        "NAME" => &mut m.name,
                        "STABLE-RENDITION-ID" => &mut m.stable_rendition_id,
                        "INSTREAM-ID" => &mut m.instream_id,
                        "CHARACTERISTICS" => &mut m.characteristics,
                        "CHANNELS" => &mut m.channels,
                        _ => {
                            self.unknown(name, value);
                            continue;
                        }
                    };
                    *text = self.string(value);
                }
            }
        }
        let Some(known) = MediaType::ALL.into_iter().find(|known| known.name() == kind) else {
            self.say("EXT-X-MEDIA of an unknown TYPE is skipped", kind);
            return None;
        };
        m.kind = known;
        if m.group_id.is_empty() || m.name.is_empty() {
            self.say("EXT-X-MEDIA must have a GROUP-ID and a NAME", list);
        }
        match (known, uri) {
            (MediaType::ClosedCaptions, Some(_)) => self.say("captions have no URI of their own", list),
            (MediaType::Subtitles, None) => {
                self.say("subtitles without a URI are skipped", list);
                return None;
            }
            (_, Some(uri)) => m.uri = self.uri(uri)?,
            (_, None) => {}
        }
        Some(m)
    }

    fn session_data(&mut self, list: &'a str) -> Option<SessionData> {
        let mut data = SessionData {
            line: self.line,
            ..SessionData::default()
        };
        let mut uri = None;
        for (name, value) in attributes(list) {
            match name {
                "DATA-ID" => data.data_id = self.string(value),
                "VALUE" => data.value = Some(self.data(value)),
                "URI" => uri = Some(value),
                "FORMAT" => value.clone_into(&mut data.format),
                "LANGUAGE" => data.language = self.string(value),
                _ => self.unknown(name, value),
            }
        }
        if data.data_id.is_empty() || data.value.is_some() == uri.is_some() {
            self.say(
                "session data must have a DATA-ID and either a VALUE or a URI",
                list,
            );
        }
        match uri {
            Some(uri) => data.uri = self.uri(uri)?,
            None => {
                data.value.as_ref()?;
            }
        }
        Some(data).filter(|data| !data.data_id.is_empty())
    }

    fn session_key(&mut self, keys: &mut Vec<Protection>, list: &'a str) {
        let (line, tag, other) = (self.line, self.tag, &mut self.other);
        let key = key::read(
            line,
            list,
            self.url,
            &self.variables,
            &mut self.warnings,
            &mut |name, value| push::<ALL>(other, line, tag, name, value),
        );
        match key {
            Key::Clear => self.say("a session key must have a METHOD other than NONE", ""),
            Key::Unusable => {}
            Key::Protected(key) if keys.contains(&*key) => self.say("a session key is there already", ""),
            Key::Protected(key) if self.has_room(keys.len()) => {
                self.expanded += key.url.len();
                keys.push(*key);
            }
            Key::Protected(_) => {}
        }
    }

    fn start(&mut self, list: &'a str) -> Option<Start> {
        let mut offset = None;
        let mut precise = false;
        for (name, value) in attributes(list) {
            match name {
                "TIME-OFFSET" => {
                    let unsigned = value.strip_prefix(['-', '+']).unwrap_or(value);
                    offset = seconds(unsigned).map(|t| if value.starts_with('-') { -t } else { t });
                }
                "PRECISE" => precise = self.yes(name, value),
                _ => self.unknown(name, value),
            }
        }
        if offset.is_none() {
            self.say("EXT-X-START without a TIME-OFFSET is not used", list);
        }
        offset.map(|time_offset: MediaTime| Start { time_offset, precise })
    }

    fn steering(&mut self, list: &'a str) -> Option<ContentSteering> {
        let mut steering = ContentSteering {
            line: self.line,
            ..ContentSteering::default()
        };
        let mut uri = None;
        for (name, value) in attributes(list) {
            match name {
                "SERVER-URI" => uri = Some(value),
                "PATHWAY-ID" => steering.pathway_id = self.string(value),
                _ => self.unknown(name, value),
            }
        }
        let Some(uri) = uri else {
            self.say("EXT-X-CONTENT-STEERING without a SERVER-URI is not used", list);
            return None;
        };
        // The manifest itself may stand here.
        steering.server_uri = if has_scheme(uri, "data") {
            self.data(uri)
        } else {
            self.uri(uri)?
        };
        Some(steering)
    }

    /// A name or the like with its variables replaced. What is longer than any is, is none: names are compared with each other.
    fn string(&mut self, value: &str) -> String {
        let mut text = self.data(value);
        if text.len() > MAX_TEXT {
            self.say("a text is too long, and is not used", &text);
            text.clear();
        }
        text
    }

    /// Data with its variables replaced.
    fn data(&mut self, value: &str) -> String {
        let text = self.variables.substitute(self.line, value, &mut self.warnings);
        if matches!(text, Cow::Owned(_)) {
            self.expanded += text.len();
        }
        text.into_owned()
    }

    /// An absolute URL, or `None` with a warning.
    fn uri(&mut self, value: &str) -> Option<String> {
        let (what, about);
        match self.variables.expand(value) {
            Ok(text) if text.bytes().any(|b| b.is_ascii_control()) => {
                (what, about) = ("a URI with control characters is refused", String::new());
            }
            Ok(text) => match url::resolve(self.url, &text) {
                Ok(resolved) => {
                    // A base that is repeated counts as well.
                    self.expanded += resolved.len().saturating_sub(value.len());
                    return Some(resolved);
                }
                Err(error) => (what, about) = ("a URI is refused", error.to_string()),
            },
            Err(why) => {
                let (message, name) = why.message();
                (what, about) = (message, name.to_owned());
            }
        }
        self.say(what, &about);
        None
    }

    fn number(&mut self, name: &str, value: &str) -> Option<u64> {
        let number = value.parse().ok();
        if number.is_none() {
            self.not_valid(name, value);
        }
        number
    }

    fn decimal(&mut self, name: &str, value: &str) -> Option<f64> {
        let number = number::float(value).filter(|n| n.is_finite() && *n >= 0.0);
        if number.is_none() {
            self.not_valid(name, value);
        }
        number
    }

    fn yes(&mut self, name: &str, value: &str) -> bool {
        if !matches!(value, "YES" | "NO") {
            self.not_valid(name, value);
        }
        value == "YES"
    }

    fn not_valid(&mut self, name: &str, value: &str) {
        let mut what = name.to_owned();
        what.push_str(" is not valid");
        self.say(&what, value);
    }

    /// Of tags that may be there once the first one counts.
    fn once<T>(&mut self, place: &mut Option<T>, value: Option<T>) {
        if place.is_some() {
            self.say("a tag is there again: the first one counts", self.tag);
        } else {
            *place = value;
        }
    }

    fn no_uri(&mut self, pending: &Pending) {
        if let Some((line, _)) = pending {
            self.warnings.say(*line, "EXT-X-STREAM-INF without a URI", "");
        }
    }

    fn say(&mut self, what: &str, about: &str) {
        self.warnings.say(self.line, what, about);
    }

    fn unknown(&mut self, name: &str, value: &str) {
        push::<ALL>(&mut self.other, self.line, self.tag, name, value);
    }

    /// What playback cannot do without.
    fn limit(&self, count: usize, what: &'static str) -> Result<(), ManifestError> {
        if count < MAX_RENDITIONS {
            return Ok(());
        }
        Err(ManifestError::Limit {
            line: self.line,
            what,
            limit: MAX_RENDITIONS,
        })
    }

    /// What it can.
    fn has_room(&mut self, count: usize) -> bool {
        if count >= MAX_RENDITIONS {
            self.say("there are too many of these: the rest is skipped", self.tag);
        }
        count < MAX_RENDITIONS
    }
}

fn push<const ALL: bool>(other: &mut Vec<Other>, line: u32, tag: &str, attribute: &str, value: &str) {
    if ALL && other.len() < MAX_OTHER {
        other.push(Other {
            line,
            tag: tag.to_owned(),
            attribute: attribute.to_owned(),
            value: value.to_owned(),
        });
    }
}
