//! Encrypted output, as other programs decrypt it and players read its manifests.
//!
//! The programs are named by `HEADGATE_FFMPEG_NEW` (FFmpeg from 8 on) and `HEADGATE_SHAKA_PACKAGER`.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Bench, boxes};
use encoder::EncodeError;
use encoder::protect::{
    ContentKey, CryptoPeriod, KeyPlan, KeySharing, Licensing, ProtectOptions, Schedule, Scheme, System,
    TrackClass,
};
use encoder::remux::{PackageOptions, package};
use encoder::vod;

const LADDER: &str = "180p:200k,audio:64k";

fn protection(keys: KeyPlan) -> ProtectOptions {
    ProtectOptions {
        keys,
        schedule: Schedule::default(),
        licensing: Licensing {
            systems: vec![System::Common, System::PlayReady, System::Widevine],
            ..Licensing::default()
        },
        key_file: None,
    }
}

/// Encodes the sample into `out`, encrypted as said.
fn encode(bench: &Bench, input: &Path, protection: ProtectOptions) {
    let mut options = bench.options(input, LADDER);
    options.threads = 1;
    options.force = true;
    options.packaging.protection = Some(protection);
    vod::encode(&options, &mut |_| {}).unwrap();
}

#[test]
fn keys_are_never_written_where_they_are_published() {
    let bench = Bench::new();
    let input = bench.sample(1, 160, 90);
    let mut options = bench.options(&input, "90p:100k");
    options.id = Some("film".to_owned());
    options.work_dir = Some(bench.path("work"));
    let mut refused = |keys: &str| {
        let mut protection = protection(KeyPlan::made(Scheme::Cbcs, KeySharing::One));
        protection.key_file = Some(bench.path(keys));
        options.packaging.protection = Some(protection);
        let begun = &mut |_| panic!("it has begun");
        let error = vod::encode(&options, begun).unwrap_err();
        assert!(matches!(&error, EncodeError::KeyFile { .. }), "{error}");
        error.to_string()
    };
    for keys in [
        "out/videos/film/keys.json",
        "out/keys.json",
        "none/../out/keys.json",
    ] {
        assert!(refused(keys).contains("which is published"), "{keys}");
    }
    assert!(refused("work/keys.json").contains("is removed when all is done"));
    assert!(!bench.path("out").exists() && !bench.path("work").exists());
    fs::create_dir(bench.path("out")).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("out", bench.path("link")).unwrap();
        assert!(refused("link/keys.json").contains("which is published"));
    }
    // Files that are encoded already, likewise.
    let mut packaging = PackageOptions::new([&input], bench.path("out"));
    packaging.packaging.protection = options.packaging.protection.take();
    packaging.packaging.protection.as_mut().unwrap().key_file = Some(bench.path("out/keys.json"));
    let error = package(&packaging, &mut |_| panic!("it has begun")).unwrap_err();
    assert!(matches!(error, EncodeError::KeyFile { .. }), "{error}");
    packaging.packaging.protection.as_mut().unwrap().key_file = Some(bench.path("keys.json"));
    package(&packaging, &mut |_| {}).unwrap();
    assert!(bench.path("keys.json").is_file());
}

fn program(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        println!("skipped: {variable} names no program");
    }
    path
}

/// Standard output of a program that must succeed.
fn run(program: &Path, arguments: &str) -> String {
    let words = arguments.split_whitespace();
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn hashes(ffmpeg: &Path, file: &Path, key: &str) -> Vec<String> {
    let text = run(
        ffmpeg,
        &format!(
            "-v error -nostdin {key} -i {} -fps_mode passthrough -f framemd5 -",
            file.display()
        ),
    );
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}

/// A field of the entry with this label in a key file.
fn hex_of(keys: &Path, label: &str, field: &str) -> String {
    let file: serde_json::Value = serde_json::from_slice(&fs::read(keys).unwrap()).unwrap();
    let entries = file["keys"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["label"] == label).unwrap();
    entry[field].as_str().unwrap().to_owned()
}

#[test]
fn others_decrypt_what_was_encoded() {
    let (ffmpeg, packager) = (program("HEADGATE_FFMPEG_NEW"), program("HEADGATE_SHAKA_PACKAGER"));
    if ffmpeg.is_none() && packager.is_none() {
        return;
    }
    let bench = Bench::new();
    let input = bench.sample(4, 320, 180);
    let mut options = bench.options(&input, LADDER);
    options.threads = 1;
    vod::encode(&options, &mut |_| {}).unwrap();
    let clear = ["180p", "audio"].map(|name| {
        let copy = bench.path(&format!("{name}.clear.mp4"));
        fs::copy(bench.joined(name), &copy).unwrap();
        copy
    });
    for scheme in [Scheme::Cbcs, Scheme::Cenc] {
        let keys = bench.path("keys.json");
        let mut protection = protection(KeyPlan::made(scheme, KeySharing::PerType));
        protection.key_file = Some(keys.clone());
        protection.schedule.clear_lead_s = 2.0;
        encode(&bench, &input, protection);
        for (name, (clear, label)) in ["180p", "audio"].iter().zip(clear.iter().zip(["video", "audio"])) {
            let encrypted = bench.joined(name);
            let (id, key) = (hex_of(&keys, label, "kid"), hex_of(&keys, label, "key"));
            if let Some(ffmpeg) = &ffmpeg {
                let expected = hashes(ffmpeg, clear, "");
                assert!(expected.len() > 50);
                assert_eq!(
                    hashes(ffmpeg, &encrypted, &format!("-decryption_key {key}")),
                    expected,
                    "{name}"
                );
                assert_ne!(fs::read(&encrypted).unwrap(), fs::read(clear).unwrap());
            }
            if let Some(packager) = &packager {
                let decrypted = bench.path("decrypted.mp4");
                run(
                    packager,
                    &format!(
                        "in={},stream={label},output={} --enable_raw_key_decryption --keys label=:key_id={id}:key={key} --quiet",
                        encrypted.display(),
                        decrypted.display()
                    ),
                );
                let ffmpeg = Path::new("ffmpeg");
                assert!(
                    hashes(ffmpeg, &decrypted, "") == hashes(ffmpeg, clear, ""),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn playlists_name_the_keys() {
    let bench = Bench::new();
    let input = bench.sample(6, 320, 180);
    let keys = bench.path("keys.json");
    let mut protection = protection(KeyPlan::made(Scheme::Cbcs, KeySharing::PerType));
    protection.schedule = Schedule {
        clear_lead_s: 2.0,
        crypto_period: Some(CryptoPeriod::Seconds(4.0)),
    };
    protection.key_file = Some(keys.clone());
    encode(&bench, &input, protection);
    for (name, label) in [("180p", "video"), ("audio", "audio")] {
        let text = fs::read_to_string(bench.path("out/hls").join(format!("{name}.m3u8"))).unwrap();
        let (_, playlist) = m3u8_rs::parse_media_playlist(text.as_bytes()).unwrap();
        assert_eq!(playlist.segments.len(), 3);
        // Its reader keeps the last of a segment's key tags.
        let has_key: Vec<_> = playlist
            .segments
            .iter()
            .map(|segment| segment.key.is_some())
            .collect();
        assert_eq!(has_key, [false, true, true]);
        assert_eq!(text.matches("#EXT-X-KEY:METHOD=SAMPLE-AES,").count(), 6);
        assert!(text.contains(&format!("KEYID=0x{}", hex_of(&keys, label, "kid"))));
    }
    let text = fs::read_to_string(bench.path("out/hls/master.m3u8")).unwrap();
    assert_eq!(text.matches("#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,").count(), 12);
    let text = fs::read_to_string(bench.path("out/dash/manifest.mpd")).unwrap();
    assert!(!text.contains("default_KID") && !text.contains("pssh>"), "{text}");
    assert_eq!(text.matches("<ContentProtection ").count(), 8);
    let everything = [
        bench.path("out/hls/master.m3u8"),
        bench.path("out/dash/manifest.mpd"),
        bench.path("out/segments.json"),
    ];
    for file in everything {
        let text = fs::read_to_string(file).unwrap();
        assert!(!text.contains(&hex_of(&keys, "video", "key")));
    }
}

#[test]
fn the_manifest_names_the_keys_of_every_set() {
    let bench = Bench::new();
    let input = bench.sample(2, 320, 180);
    let mut plan = KeyPlan::made(Scheme::Cenc, KeySharing::PerType);
    let video = plan.key(TrackClass::Sd, 0).unwrap().id;
    encode(&bench, &input, protection(plan));
    let path = bench.path("out/dash/manifest.mpd");
    let mpd = dash_mpd_core::parse(&fs::read_to_string(&path).unwrap()).unwrap();
    // Thumbnails are a set of their own, and clear.
    let sets = mpd.periods[0].adaptations.iter();
    let sets: Vec<_> = sets
        .filter(|set| set.contentType.as_deref() != Some("image"))
        .collect();
    assert_eq!(sets.len(), 2);
    for set in sets {
        let schemes: Vec<_> = set
            .ContentProtection
            .iter()
            .map(|element| element.schemeIdUri.as_str())
            .collect();
        assert_eq!(schemes[0], "urn:mpeg:dash:mp4protection:2011");
        assert_eq!(schemes.len(), 4);
    }
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("cenc:default_KID=").count(), 2);
    assert!(text.contains(&format!("cenc:default_KID=\"{}\"", video.uuid())));
    let kinds = common::kinds(&boxes(&bench.path("out/180p/1.m4s")));
    assert_eq!(kinds, ["styp", "moof", "mdat"]);
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/dash-schema/DASH-MPD.xsd");
    let validator = Command::new("xmllint")
        .args(["--nonet", "--noout", "--schema"])
        .arg(&schema)
        .arg(&path)
        .output();
    match validator {
        Ok(output) if schema.exists() => {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        _ => println!("skipped: validation needs xmllint and ../shared/dash-schema"),
    }
}

#[test]
fn a_missing_key_leaves_nothing_behind() {
    let bench = Bench::new();
    let input = bench.sample(4, 320, 180);
    let plan = KeyPlan::single(Scheme::Cenc, ContentKey::random().unwrap()).unwrap();
    let mut protection = protection(plan);
    protection.schedule.crypto_period = Some(CryptoPeriod::Segments(1));
    let mut options = bench.options(&input, LADDER);
    options.packaging.protection = Some(protection);
    let error = vod::encode(&options, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("crypto period 1"), "{error}");
    assert!(!bench.path("out").exists());
}
