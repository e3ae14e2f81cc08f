//! `headgate-sim inspect` shows every tag, element and attribute that the readers know: `inspect/every` uses them all, nothing of it ends
//! in `other`, and nothing is missing.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use player_core::manifest::dash::{Element, Mpd, schema};
use player_core::manifest::hls::attributes;
use serde_json::Value;
use simulator::inspect::{Format, inspect};

const PLAYLISTS: [(&str, &str); 5] = [
    ("multivariant", include_str!("inspect/every/multivariant.m3u8")),
    ("media", include_str!("inspect/every/media.m3u8")),
    ("low-latency", include_str!("inspect/every/low-latency.m3u8")),
    ("images", include_str!("inspect/every/images.m3u8")),
    ("i-frames", include_str!("inspect/every/i-frames.m3u8")),
];
const MPD: &str = include_str!("inspect/every/manifest.mpd");
const URL: &str = "https://example.com/live/x?token=abc";

/// Where the attributes of a tag are.
const PLACES: [(&str, &str); 21] = [
    ("EXT-X-CONTENT-STEERING", "content_steering"),
    ("EXT-X-DATERANGE", "date_ranges"),
    ("EXT-X-DEFINE", "defines"),
    ("EXT-X-I-FRAME-STREAM-INF", "i_frame_streams"),
    ("EXT-X-IMAGE-STREAM-INF", "image_streams"),
    ("EXT-X-KEY", "segments.keys"),
    ("EXT-X-MAP", "segments.map"),
    ("EXT-X-MEDIA", "media"),
    ("EXT-X-PART", "segments.parts"),
    ("EXT-X-PART-INF", "part_inf"),
    ("EXT-X-PRELOAD-HINT", "preload_hints"),
    ("EXT-X-RENDITION-REPORT", "rendition_reports"),
    ("EXT-X-SERVER-CONTROL", "server_control"),
    ("EXT-X-SESSION-DATA", "session_data"),
    ("EXT-X-SESSION-KEY", "session_keys"),
    ("EXT-X-SKIP", "skip"),
    ("EXT-X-START", "start"),
    ("EXT-X-STREAM-INF", "variants"),
    ("EXT-X-TILES", "segments.tiles"),
    // No lists of attributes.
    ("EXTINF", "segments"),
    ("EXT-X-BYTERANGE", "segments"),
];

fn shown(format: Format, text: &str) -> Value {
    let shown = inspect(format, text.as_bytes(), URL, Some(5)).unwrap();
    serde_json::from_str(&serde_json::to_string(&shown).unwrap()).unwrap()
}

/// The tags of a playlist, each with what follows its colon.
fn tags(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|tag| tag.split_once(':').unwrap_or((tag, "")))
}

/// The objects at a place.
fn objects<'a>(value: &'a Value, place: &str) -> Vec<&'a Value> {
    let mut found = vec![value];
    for name in place.split('.') {
        let inner = found.into_iter().filter_map(|object| object.get(name));
        found = inner
            .flat_map(|value| value.as_array().map_or(vec![value], |list| list.iter().collect()))
            .collect();
    }
    found
}

/// Whether one of some objects has a member that says something.
fn has(objects: &[&Value], name: &str) -> bool {
    let mut values = objects.iter().filter_map(|object| object.get(name));
    values.any(|value| !value.is_null())
}

#[test]
fn every_tag_and_attribute_of_playlists_is_used() {
    // What the readers compare names with, taken from their sources, so that none is forgotten.
    let sources = [
        include_str!("../../src/manifest/hls/items.rs"),
        include_str!("../../src/manifest/hls/reader/mod.rs"),
        include_str!("../../src/manifest/hls/reader/whole.rs"),
        include_str!("../../src/manifest/hls/define.rs"),
        include_str!("../../src/manifest/hls/key.rs"),
        include_str!("../../src/manifest/hls/multivariant/read.rs"),
    ];
    let mut known = BTreeSet::new();
    for source in sources {
        let source = source.split("#[cfg(test)]").next().unwrap();
        for (at, _) in source.match_indices('"') {
            let Some((name, after)) = source[at + 1..].split_once('"') else {
                continue;
            };
            let is_name = name.len() > 1
                && name
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-');
            let is_pattern = ["=>", "|", "=", "{"]
                .iter()
                .any(|next| after.trim_start().starts_with(next));
            if is_name && (is_pattern || name.starts_with("EXT")) {
                known.insert(name);
            }
        }
    }
    assert!(known.len() > 100, "{known:?}");
    let all: String = PLAYLISTS.iter().map(|(_, text)| *text).collect();
    for name in known {
        // `IMPORT` needs another playlist.
        if name == "IMPORT" {
            continue;
        }
        let is_used = all.contains(&format!("#{name}"))
            || [",", ":"]
                .iter()
                .any(|before| all.contains(&format!("{before}{name}=")))
            || all.contains(&format!("={name}"))
            || all.contains(&format!(":{name}\n"));
        assert!(is_used, "{name} is in none of the playlists of inspect/every");
    }
}

#[test]
fn every_tag_and_attribute_of_playlists_is_shown() {
    for (playlist, text) in PLAYLISTS {
        let json = shown(Format::Hls, text);
        assert_eq!(json["other"], Value::Array(vec![]), "{playlist}");
        assert_eq!(json["warnings"], Value::Array(vec![]), "{playlist}");
        for (tag, value) in tags(text) {
            let place = PLACES.iter().find(|(known, _)| *known == tag);
            match (tag, place) {
                // The first says what it is, the second nothing.
                ("EXTM3U" | "EXT-X-ALLOW-CACHE", _) => {}
                ("EXTINF", _) => {
                    let segments = objects(&json, "segments");
                    let title = value.split_once(',').map_or("", |(_, title)| title);
                    assert!(has(&segments, "duration") && (title.is_empty() || has(&segments, "title")));
                }
                ("EXT-X-BYTERANGE", _) => assert!(has(&objects(&json, "segments"), "byte_range")),
                (_, Some((_, place))) => {
                    let objects = objects(&json, place);
                    for (name, value) in attributes(value) {
                        let member = match (tag, name) {
                            ("EXT-X-DEFINE", "QUERYPARAM") => "origin".to_owned(),
                            ("EXT-X-MAP" | "EXT-X-PART", "BYTERANGE") => "byte_range".to_owned(),
                            _ => name.to_ascii_lowercase().replace('-', "_"),
                        };
                        assert!(has(&objects, &member), "{playlist}: {tag} {name}={value}");
                    }
                }
                (_, None) => {
                    let member = match tag {
                        "EXT-X-TARGETDURATION" => "target_duration".to_owned(),
                        _ => tag
                            .trim_start_matches("EXT-X-")
                            .to_ascii_lowercase()
                            .replace('-', "_"),
                    };
                    let mut objects = objects(&json, "segments");
                    objects.push(&json);
                    assert!(has(&objects, &member), "{playlist}: {tag}");
                }
            }
        }
    }
}

#[test]
fn no_captions_are_told_from_captions_that_are_called_so() {
    let json = shown(Format::Hls, PLAYLISTS[0].1);
    let captions: Vec<_> = objects(&json, "variants.closed_captions");
    assert_eq!(captions, [&Value::from("cc"), &Value::Null, &Value::from("NONE")]);
}

#[test]
fn tiles_have_their_share_of_the_time_unless_it_is_said() {
    let json = shown(Format::Hls, PLAYLISTS[3].1);
    let durations = objects(&json, "segments.tiles.duration");
    assert_eq!(
        durations,
        [&Value::from(6.0), &Value::from(6.0), &Value::from(6.0)]
    );
    assert_eq!(objects(&json, "segments.tiles.layout.columns")[0], 5);
}

#[test]
fn every_element_and_attribute_of_mpds_is_used_and_shown() {
    let mpd = Mpd::parse(MPD, URL).unwrap();
    let json = shown(Format::Mpd, MPD);
    assert_eq!(json["other"], Value::Array(vec![]));
    let mut used = BTreeSet::new();
    walk(mpd.root(), &json, &mut used);
    for (element, attributes) in schema::elements() {
        assert!(
            used.contains(&(element.to_owned(), String::new())),
            "<{element}> is not used"
        );
        for attribute in attributes {
            assert!(
                used.contains(&(element.to_owned(), local(attribute).to_owned())),
                "<{element} {attribute}> is not used"
            );
        }
    }
}

fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

/// Notes what an element has, and looks for it in what is shown of it.
fn walk(element: &Element, shown: &Value, used: &mut BTreeSet<(String, String)>) {
    let name = element.name();
    used.insert((name.to_owned(), String::new()));
    for (attribute, value) in element.attributes() {
        if attribute.starts_with("xmlns") {
            continue;
        }
        used.insert((name.to_owned(), local(attribute).to_owned()));
        let member = match attribute.split_once(':') {
            Some(("xlink", local)) => format!("xlink_{}", snake(local)),
            _ => snake(local(attribute)),
        };
        let found = shown.get(&member).filter(|value| !value.is_null());
        assert!(
            found.is_some(),
            "<{name} {attribute}=\"{value}\"> is not shown in {shown}"
        );
    }
    if !element.text().is_empty() && shown.is_object() {
        assert!(
            shown.get("text").or(shown.get("uri")).is_some(),
            "the text of <{name}> is not shown"
        );
    }
    if name == "Event" {
        // What is in it is its message, as it is written.
        let message = shown["text"].as_str().unwrap_or_default();
        for (element, attributes) in
            schema::elements().filter(|(name, _)| message.contains(&format!("<{name}")))
        {
            used.insert((element.to_owned(), String::new()));
            for attribute in attributes.filter(|name| message.contains(&format!(" {name}="))) {
                used.insert((element.to_owned(), attribute.to_owned()));
            }
        }
    }
    let mut before: Vec<&str> = Vec::new();
    for child in element.children() {
        let index = before.iter().filter(|known| **known == child.name()).count();
        before.push(child.name());
        let one = snake(child.name());
        // Where an attribute has the name, the element's says that it is one.
        let apart = format!("{one}_element");
        let several = [format!("{one}s"), format!("{}ies", one.trim_end_matches('y'))];
        let found = shown
            .get(&apart)
            .or_else(|| shown.get(&one))
            .or_else(|| several.iter().find_map(|name| shown.get(name)))
            .unwrap_or_else(|| panic!("<{}> in <{name}> is not shown", child.name()));
        let found = match (child.timeline(), found.as_array()) {
            (Some(timeline), Some(runs)) => {
                used.insert((child.name().to_owned(), String::new()));
                used.insert(("S".to_owned(), String::new()));
                assert_eq!(timeline.len(), runs.len());
                for (s, run) in timeline.iter().zip(runs) {
                    for (attribute, value) in [
                        ("t", s.t),
                        ("d", Some(s.d)),
                        ("n", s.n),
                        ("k", Some(s.k).filter(|k| *k != 1)),
                    ] {
                        if let Some(value) = value {
                            used.insert(("S".to_owned(), attribute.to_owned()));
                            assert_eq!(run[attribute], value);
                        }
                    }
                    used.insert(("S".to_owned(), "r".to_owned()));
                    assert_eq!(run["r"], s.r);
                }
                continue;
            }
            (_, Some(list)) => &list[index],
            (_, None) => found,
        };
        walk(child, found, used);
    }
}

/// `minBufferTime` is `min_buffer_time`, `BaseURL` `base_url`, `startWithSAP` `start_with_sap`.
fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        let after_small = i > 0 && !chars[i - 1].is_uppercase() && chars[i - 1] != '_';
        let before_small =
            i > 0 && chars[i - 1] != '_' && chars.get(i + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_uppercase() && (after_small || before_small) {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}
