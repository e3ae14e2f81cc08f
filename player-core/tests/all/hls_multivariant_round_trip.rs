//! Multivariant playlists that a writer wrote: what the reader makes of them, and what an independent reader (m3u8-rs) does.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::fmt::Write as _;

use m3u8_rs::{
    AlternativeMediaType, ClosedCaptionGroupId, HDCPLevel, InstreamId, KeyMethod, SessionDataField,
};
use player_core::manifest::hls::multivariant::{
    ContentSteering, Media, MediaType, SessionData, Start, Variant,
};
use player_core::manifest::hls::{Definition, Multivariant, Origin};
use player_core::presentation::Protection;
use player_core::time::MediaTime;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

const URL: &str = "https://h/v/main.m3u8?q%5F=%C3%A4%20b&e=";

/// Attributes in the order in which they are pushed.
#[derive(Default)]
struct List(Vec<String>);

impl List {
    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0.push(format!("{name}=\"{value}\""));
        }
    }

    fn word(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0.push(format!("{name}={value}"));
        }
    }

    fn number(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        self.0.extend(value.map(|value| format!("{name}={value}")));
    }

    fn yes(&mut self, name: &str, value: bool) {
        if value {
            self.0.push(format!("{name}=YES"));
        }
    }
}

/// How a playlist is written: what no reader may care about.
#[derive(Clone, Copy, Debug)]
struct Style {
    end: &'static str,
    comma: &'static str,
    /// Attributes begin at this one.
    turn: usize,
    comments: bool,
}

struct Writer {
    style: Style,
    text: String,
    line: u32,
}

impl Writer {
    /// Writes a line, and says which one it is.
    fn line(&mut self, line: &str) -> u32 {
        if self.style.comments {
            let _ = write!(self.text, "# {}{1}{1}", self.line, self.style.end);
            self.line += 2;
        }
        self.text.push_str(line);
        self.text.push_str(self.style.end);
        self.line += 1;
        self.line
    }

    fn tag(&mut self, tag: &str, mut list: List) -> u32 {
        let turn = self.style.turn % list.0.len().max(1);
        list.0.rotate_left(turn);
        self.line(&format!("#{tag}:{}", list.0.join(self.style.comma)))
    }

    fn variant(&mut self, tag: &str, v: &mut Variant) {
        let mut list = List::default();
        list.number("BANDWIDTH", Some(v.bandwidth));
        list.number("AVERAGE-BANDWIDTH", v.average_bandwidth);
        list.number("SCORE", v.score);
        list.text("CODECS", &v.codecs);
        list.text("SUPPLEMENTAL-CODECS", &v.supplemental_codecs);
        list.number("RESOLUTION", v.resolution.map(|(w, h)| format!("{w}x{h}")));
        list.number("FRAME-RATE", v.frame_rate.map(|rate| format!("{rate:.3}")));
        list.word("HDCP-LEVEL", &v.hdcp_level);
        list.text("ALLOWED-CPC", &v.allowed_cpc);
        list.word("VIDEO-RANGE", &v.video_range);
        list.text("REQ-VIDEO-LAYOUT", &v.req_video_layout);
        list.text("STABLE-VARIANT-ID", &v.stable_variant_id);
        list.text("AUDIO", &v.audio);
        list.text("VIDEO", &v.video);
        list.text("SUBTITLES", &v.subtitles);
        if v.closed_captions == "NONE" {
            list.word("CLOSED-CAPTIONS", "NONE");
        } else {
            list.text("CLOSED-CAPTIONS", &v.closed_captions);
        }
        list.text("PATHWAY-ID", &v.pathway_id);
        list.text("NAME", &v.name);
        if tag == "EXT-X-STREAM-INF" {
            v.line = self.tag(tag, list);
            self.line(&v.uri);
        } else {
            list.text("URI", &v.uri);
            v.line = self.tag(tag, list);
        }
    }

    fn media(&mut self, m: &mut Media) {
        let mut list = List::default();
        list.word("TYPE", m.kind.name());
        list.text("URI", &m.uri);
        list.text("GROUP-ID", &m.group_id);
        list.text("LANGUAGE", &m.language);
        list.text("ASSOC-LANGUAGE", &m.assoc_language);
        list.text("NAME", &m.name);
        list.text("STABLE-RENDITION-ID", &m.stable_rendition_id);
        list.yes("DEFAULT", m.default);
        list.yes("AUTOSELECT", m.autoselect);
        list.yes("FORCED", m.forced);
        list.text("INSTREAM-ID", &m.instream_id);
        list.number("BIT-DEPTH", m.bit_depth);
        list.number("SAMPLE-RATE", m.sample_rate);
        list.text("CHARACTERISTICS", &m.characteristics);
        list.text("CHANNELS", &m.channels);
        m.line = self.tag("EXT-X-MEDIA", list);
    }

    fn key(&mut self, key: &Protection) {
        let mut list = List::default();
        list.word("METHOD", &key.method);
        list.text("URI", &key.url);
        list.number(
            "IV",
            key.iv.map(|iv| format!("{:#034x}", u128::from_be_bytes(iv))),
        );
        if key.scheme != "identity" {
            list.text("KEYFORMAT", &key.scheme);
        }
        list.text("KEYFORMATVERSIONS", &key.versions);
        self.tag("EXT-X-SESSION-KEY", list);
    }

    fn session_data(&mut self, data: &mut SessionData) {
        let mut list = List::default();
        list.text("DATA-ID", &data.data_id);
        list.number("VALUE", data.value.as_ref().map(|value| format!("\"{value}\"")));
        list.text("URI", &data.uri);
        list.word("FORMAT", &data.format);
        list.text("LANGUAGE", &data.language);
        data.line = self.tag("EXT-X-SESSION-DATA", list);
    }

    fn define(&mut self, define: &mut Definition) {
        let mut list = List::default();
        if define.origin == Origin::QueryParam {
            list.text("QUERYPARAM", &define.name);
        } else {
            list.text("NAME", &define.name);
            list.0.push(format!("VALUE=\"{}\"", define.value));
        }
        define.line = self.tag("EXT-X-DEFINE", list);
    }
}

/// The text of a playlist, into which the lines of the text are written.
fn write(playlist: &mut Multivariant, style: Style) -> String {
    let text = String::new();
    let mut w = Writer { style, text, line: 0 };
    w.text = format!("#EXTM3U{}", style.end);
    w.line = 1;
    if let Some(version) = playlist.version {
        w.line(&format!("#EXT-X-VERSION:{version}"));
    }
    if playlist.independent_segments {
        w.line("#EXT-X-INDEPENDENT-SEGMENTS");
    }
    playlist.defines.iter_mut().for_each(|define| w.define(define));
    if let Some(start) = playlist.start {
        let mut list = List::default();
        list.number("TIME-OFFSET", Some(start.time_offset.as_secs_f64()));
        list.yes("PRECISE", start.precise);
        w.tag("EXT-X-START", list);
    }
    if let Some(steering) = &mut playlist.content_steering {
        let mut list = List::default();
        list.text("SERVER-URI", &steering.server_uri);
        list.text("PATHWAY-ID", &steering.pathway_id);
        steering.line = w.tag("EXT-X-CONTENT-STEERING", list);
    }
    playlist
        .session_data
        .iter_mut()
        .for_each(|data| w.session_data(data));
    playlist.session_keys.iter().for_each(|key| w.key(key));
    playlist.media.iter_mut().for_each(|media| w.media(media));
    let i_frames = playlist.i_frame_streams.iter_mut();
    i_frames.for_each(|v| w.variant("EXT-X-I-FRAME-STREAM-INF", v));
    let variants = playlist.variants.iter_mut();
    variants.for_each(|v| w.variant("EXT-X-STREAM-INF", v));
    let images = playlist.image_streams.iter_mut();
    images.for_each(|v| w.variant("EXT-X-IMAGE-STREAM-INF", v));
    w.text
}

/// What a quoted string may hold (rfc8216bis, 4.2), and what looks like more.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-zA-Z0-9 ,=#:;/{}$%'äß語~-]{1,12}"]
        // A reference to a variable is not what it is to be read as.
        .prop_map(|text| {
            if text.contains("{$") {
                text.replace('{', "(")
            } else {
                text
            }
        })
}

fn uri() -> impl Strategy<Value = String> {
    "https://[a-z]{1,5}(:[0-9]{2})?/[a-z0-9/,=%~-]{0,12}(\\?[a-z0-9=&/?]{1,5})?"
        .prop_map(|uri| uri.replace("/.", "/"))
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(str::to_owned)
}

/// A number of thousandths, which every reader reads to the same one.
fn decimal() -> impl Strategy<Value = f64> {
    (1u32..100_000).prop_map(|n| f64::from(n) / 1000.0)
}

fn variant() -> impl Strategy<Value = Variant> {
    let numbers = (
        1..=u64::MAX,
        of(1..=u64::MAX),
        of(decimal()),
        of(any::<(u32, u32)>()),
        of(decimal()),
    );
    let words = (
        word(&["", "NONE", "TYPE-0", "TYPE-1"]),
        word(&["", "SDR", "HLG", "PQ"]),
        word(&["", "CH-STEREO", "CH-STEREO/PROJ-EQUI,CH-MONO"]),
        word(&["", "NONE", "cc"]),
    );
    let texts = (
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
    );
    (numbers, words, texts, uri()).prop_map(|(numbers, words, texts, uri)| Variant {
        line: 0,
        uri,
        bandwidth: numbers.0,
        average_bandwidth: numbers.1,
        score: numbers.2,
        codecs: texts.0,
        supplemental_codecs: texts.1,
        resolution: numbers.3,
        frame_rate: numbers.4,
        hdcp_level: words.0,
        allowed_cpc: texts.2,
        video_range: words.1,
        req_video_layout: words.2,
        stable_variant_id: texts.3,
        audio: texts.4,
        video: texts.5,
        subtitles: texts.6,
        closed_captions: words.3,
        pathway_id: texts.7,
        name: texts.8,
    })
}

/// What the other tags of playlists do not have.
fn standalone() -> impl Strategy<Value = Variant> {
    variant().prop_map(|v| Variant {
        frame_rate: None,
        audio: String::new(),
        subtitles: String::new(),
        closed_captions: String::new(),
        ..v
    })
}

fn media() -> impl Strategy<Value = Media> {
    let kinds = vec![
        MediaType::Audio,
        MediaType::ClosedCaptions,
        MediaType::Subtitles,
        MediaType::Video,
    ];
    let texts = (text(), text(), text(), text(), text(), text());
    let flags = any::<(bool, bool, bool)>();
    let numbers = any::<(Option<u32>, Option<u32>)>();
    (select(kinds), texts, flags, numbers, of(uri())).prop_map(|(kind, texts, flags, numbers, uri)| {
        let captions = kind == MediaType::ClosedCaptions;
        let audio = kind == MediaType::Audio;
        let uri = match kind {
            MediaType::ClosedCaptions => String::new(),
            MediaType::Subtitles => uri.unwrap_or("https://h/text.m3u8".into()),
            _ => uri.unwrap_or_default(),
        };
        Media {
            line: 0,
            kind,
            uri,
            group_id: texts.0 + "g",
            language: texts.1,
            assoc_language: texts.2,
            name: texts.3 + "n",
            stable_rendition_id: texts.4,
            default: flags.0,
            autoselect: flags.1,
            forced: flags.2 && kind == MediaType::Subtitles,
            instream_id: if captions {
                "SERVICE7".into()
            } else {
                String::new()
            },
            bit_depth: numbers.0.filter(|_| audio),
            sample_rate: numbers.1.filter(|_| audio),
            characteristics: texts.5,
            channels: if audio { "16/JOC".into() } else { String::new() },
        }
    })
}

fn key() -> impl Strategy<Value = Protection> {
    (
        word(&["AES-128", "SAMPLE-AES", "SAMPLE-AES-CTR"]),
        prop_oneof![
            uri(),
            Just("skd://a".into()),
            Just("data:text/plain;base64,AA==".into())
        ],
        any::<Option<[u8; 16]>>(),
        word(&[
            "identity",
            "com.apple.streamingkeydelivery",
            "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
        ]),
        word(&["", "1", "1/2"]),
    )
        .prop_map(|(method, url, iv, scheme, versions)| Protection {
            scheme,
            method,
            url,
            iv,
            versions,
            ..Protection::default()
        })
}

fn session_data() -> impl Strategy<Value = SessionData> {
    (text(), text(), of(uri()), word(&["", "JSON", "RAW"]), text()).prop_map(
        |(id, value, uri, format, language)| SessionData {
            line: 0,
            data_id: id + "d",
            value: uri.is_none().then_some(value),
            uri: uri.unwrap_or_default(),
            format,
            language,
        },
    )
}

fn playlist() -> impl Strategy<Value = Multivariant> {
    let basic = (
        of(0u32..20),
        any::<bool>(),
        of((-1_000_000i64..1_000_000, any::<bool>())),
        of((uri(), text())),
        prop::collection::vec(("[a-zA-Z0-9_-]{1,6}", text()), 0..3),
        any::<bool>(),
    );
    let lists = (
        prop::collection::vec(variant(), 1..6),
        prop::collection::vec(media(), 0..6),
        prop::collection::vec(standalone(), 0..3),
        prop::collection::vec(standalone(), 0..3),
        prop::collection::vec(session_data(), 0..3),
        prop::collection::vec(key(), 0..3),
    );
    (basic, lists).prop_map(|(basic, lists)| {
        let define = |name: &str, value: &str, origin| Definition {
            line: 0,
            name: name.to_owned(),
            value: value.to_owned(),
            origin,
        };
        let mut defines: Vec<Definition> = Vec::new();
        for (name, value) in &basic.4 {
            if defines.iter().all(|known| known.name != *name) && !["q_", "e"].contains(&name.as_str()) {
                defines.push(define(name, value, Origin::Value));
            }
        }
        if basic.5 {
            defines.push(define("q_", "ä b", Origin::QueryParam));
            defines.push(define("e", "", Origin::QueryParam));
        }
        let (variants, media, i_frame_streams, image_streams, mut session_data, mut session_keys) = lists;
        session_data.sort_by(|a, b| (&a.data_id, &a.language).cmp(&(&b.data_id, &b.language)));
        session_data.dedup_by(|a, b| (&a.data_id, &a.language) == (&b.data_id, &b.language));
        let mut known: Vec<Protection> = Vec::new();
        session_keys.retain(|key| {
            let is_new = !known.contains(key);
            known.push(key.clone());
            is_new
        });
        Multivariant {
            version: basic.0,
            independent_segments: basic.1,
            start: basic.2.map(|(ms, precise)| Start {
                time_offset: MediaTime::from_millis(ms),
                precise,
            }),
            defines,
            variants,
            media,
            i_frame_streams,
            image_streams,
            session_data,
            session_keys,
            content_steering: basic.3.map(|(server_uri, pathway_id)| ContentSteering {
                line: 0,
                server_uri,
                pathway_id,
            }),
            ..Multivariant::default()
        }
    })
}

fn style() -> impl Strategy<Value = Style> {
    (
        select(vec!["\n", "\r\n"]),
        select(vec![",", ", "]),
        0usize..20,
        any::<bool>(),
    )
        .prop_map(|(end, comma, turn, comments)| Style {
            end,
            comma,
            turn,
            comments,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(mut playlist in playlist(), style in style()) {
        let text = write(&mut playlist, style);
        let read = Multivariant::read(&text, URL).unwrap();
        prop_assert_eq!(&read, &playlist, "{}", text);
        // And it can be played, with as many ids as renditions.
        let presentation = read.into_presentation().unwrap();
        let period = presentation.periods.first().unwrap();
        let mut tracks: Vec<&str> = period.tracks.iter().map(|t| t.id.as_str()).collect();
        let mut renditions: Vec<(&str, &str)> = Vec::new();
        for track in &period.tracks {
            renditions.extend(track.renditions.iter().map(|r| (track.id.as_str(), r.id.as_str())));
        }
        let counts = (tracks.len(), renditions.len());
        tracks.sort_unstable();
        tracks.dedup();
        renditions.sort_unstable();
        renditions.dedup();
        prop_assert_eq!((tracks.len(), renditions.len()), counts);
    }

    #[test]
    fn an_independent_reader_agrees(mut playlist in playlist(), turn in 0usize..20) {
        // Empty strings are one of the divergences (docs/manifest-divergences.md).
        for value in playlist.session_data.iter_mut().filter_map(|data| data.value.as_mut()) {
            value.push('v');
        }
        let text = write(&mut playlist, Style { end: "\n", comma: ",", turn, comments: false });
        let (rest, peer) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
        prop_assert!(rest.is_empty());
        let ours = Multivariant::read(&text, URL).unwrap();
        prop_assert_eq!(peer.version, ours.version.map(|v| v as usize));
        prop_assert_eq!(peer.independent_segments, ours.independent_segments);
        let start = peer.start.map(|s| (MediaTime::from_secs_f64(s.time_offset), s.precise == Some(true)));
        prop_assert_eq!(start, ours.start.map(|s| (s.time_offset, s.precise)));
        let theirs: Vec<_> = peer.variants.iter().filter(|v| !v.is_i_frame).map(of_peer).collect();
        prop_assert_eq!(theirs, ours.variants.iter().map(of_variant).collect::<Vec<_>>());
        let theirs: Vec<_> = peer.variants.iter().filter(|v| v.is_i_frame).map(of_peer).collect();
        prop_assert_eq!(theirs, ours.i_frame_streams.iter().map(of_variant).collect::<Vec<_>>());
        for (theirs, ours) in peer.alternatives.iter().zip(&ours.media) {
            let kind = match ours.kind {
                MediaType::Audio => AlternativeMediaType::Audio,
                MediaType::ClosedCaptions => AlternativeMediaType::ClosedCaptions,
                MediaType::Subtitles => AlternativeMediaType::Subtitles,
                MediaType::Video => AlternativeMediaType::Video,
            };
            prop_assert_eq!(&theirs.media_type, &kind);
            for (theirs, ours) in [
                (&theirs.uri, &ours.uri),
                (&theirs.language, &ours.language),
                (&theirs.assoc_language, &ours.assoc_language),
                (&theirs.characteristics, &ours.characteristics),
                (&theirs.channels, &ours.channels),
            ] {
                prop_assert_eq!(theirs.as_deref().unwrap_or_default(), ours.as_str());
            }
            prop_assert_eq!((&theirs.group_id, &theirs.name), (&ours.group_id, &ours.name));
            let flags = (theirs.default, theirs.autoselect, theirs.forced);
            prop_assert_eq!(flags, (ours.default, ours.autoselect, ours.forced));
            let service = (!ours.instream_id.is_empty()).then_some(InstreamId::Service(7));
            prop_assert_eq!(&theirs.instream_id, &service);
        }
        prop_assert_eq!(peer.alternatives.len(), ours.media.len());
        for (theirs, ours) in peer.session_data.iter().zip(&ours.session_data) {
            let field = match &ours.value {
                Some(value) => SessionDataField::Value(value.clone()),
                None => SessionDataField::Uri(ours.uri.clone()),
            };
            prop_assert_eq!((&theirs.data_id, &theirs.field), (&ours.data_id, &field));
            prop_assert_eq!(theirs.language.as_deref().unwrap_or_default(), &ours.language);
        }
        prop_assert_eq!(peer.session_data.len(), ours.session_data.len());
        for (theirs, ours) in peer.session_key.iter().map(|k| &k.0).zip(&ours.session_keys) {
            let method = match ours.method.as_str() {
                "AES-128" => KeyMethod::AES128,
                "SAMPLE-AES" => KeyMethod::SampleAES,
                other => KeyMethod::Other(other.to_owned()),
            };
            prop_assert_eq!((&theirs.method, theirs.uri.as_deref()), (&method, Some(ours.url.as_str())));
            let iv = ours.iv.map(|iv| format!("{:#034x}", u128::from_be_bytes(iv)));
            prop_assert_eq!(&theirs.iv, &iv);
            prop_assert_eq!(theirs.keyformat.as_deref().unwrap_or("identity"), &ours.scheme);
            prop_assert_eq!(theirs.keyformatversions.as_deref().unwrap_or_default(), &ours.versions);
        }
        prop_assert_eq!(peer.session_key.len(), ours.session_keys.len());
    }
}

/// What both readers know of a variant.
#[derive(Debug, PartialEq)]
struct Common {
    uri: String,
    bandwidth: u64,
    average_bandwidth: Option<u64>,
    codecs: String,
    resolution: Option<(u64, u64)>,
    frame_rate: Option<f64>,
    hdcp_level: String,
    groups: [String; 4],
}

fn of_variant(v: &Variant) -> Common {
    Common {
        uri: v.uri.clone(),
        bandwidth: v.bandwidth,
        average_bandwidth: v.average_bandwidth,
        codecs: v.codecs.clone(),
        resolution: v.resolution.map(|(w, h)| (w.into(), h.into())),
        frame_rate: v.frame_rate,
        hdcp_level: v.hdcp_level.clone(),
        groups: [&v.audio, &v.video, &v.subtitles, &v.closed_captions].map(Clone::clone),
    }
}

fn of_peer(v: &m3u8_rs::VariantStream) -> Common {
    let captions = v.closed_captions.as_ref().map(|captions| match captions {
        ClosedCaptionGroupId::None => "NONE".to_owned(),
        ClosedCaptionGroupId::GroupId(id) | ClosedCaptionGroupId::Other(id) => id.clone(),
    });
    Common {
        uri: v.uri.clone(),
        bandwidth: v.bandwidth,
        average_bandwidth: v.average_bandwidth,
        codecs: v.codecs.clone().unwrap_or_default(),
        resolution: v.resolution.map(|r| (r.width, r.height)),
        frame_rate: v.frame_rate,
        hdcp_level: v
            .hdcp_level
            .as_ref()
            .map(HDCPLevel::to_string)
            .unwrap_or_default(),
        groups: [v.audio.clone(), v.video.clone(), v.subtitles.clone(), captions]
            .map(Option::unwrap_or_default),
    }
}
