//! Streams on disk as content, and sessions over them.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{play_content, trace};
use player_core::MediaTime;
use simulator::Content;
use simulator::content::ContentError;

const MASTER: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Audio\",DEFAULT=YES,URI=\"audio.m3u8\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,AUDIO=\"audio\"\n720p.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=300000,CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360,AUDIO=\"audio\"\n360p.m3u8\n";

/// A folder with a stream as the encoder writes it: hls/, dash/, and a folder of segments for each rendition.
struct Stream(tempfile::TempDir);

impl Stream {
    fn new() -> Self {
        let stream = Self(tempfile::tempdir().unwrap());
        stream.put("hls/master.m3u8", MASTER.as_bytes());
        for (name, sizes) in [("360p", [900, 1100, 500]), ("720p", [3000, 2500, 1501])] {
            let mut playlist = String::from(
                "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"../",
            );
            playlist += &format!("{name}/init.mp4\"\n");
            for (i, (bytes, seconds)) in sizes.iter().zip(["4.000", "4.000", "1.520"]).enumerate() {
                playlist += &format!("#EXTINF:{seconds},\n../{name}/{}.m4s\n", i + 1);
                stream.put(&format!("{name}/{}.m4s", i + 1), &vec![0; *bytes]);
            }
            playlist += "#EXT-X-ENDLIST\n";
            stream.put(&format!("hls/{name}.m3u8"), playlist.as_bytes());
        }
        stream.put("dash/manifest.mpd", mpd("").as_bytes());
        stream
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn read(&self, name: &str) -> Result<Content, ContentError> {
        Content::read(&self.path(name))
    }
}

fn mpd(extra: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" mediaPresentationDuration=\"PT9.52S\">\
         <Period><AdaptationSet contentType=\"audio\" mimeType=\"audio/mp4\" codecs=\"mp4a.40.2\">\
         <SegmentTemplate timescale=\"1\" duration=\"4\" media=\"nowhere/$Number$.m4s\"/>\
         <Representation id=\"a\" bandwidth=\"96000\"/></AdaptationSet>\
         <AdaptationSet contentType=\"video\" mimeType=\"video/mp4\" codecs=\"avc1.64001f\">{extra}\
         <SegmentTemplate timescale=\"25\" startNumber=\"1\" media=\"../$RepresentationID$/$Number$.m4s\">\
         <SegmentTimeline><S t=\"0\" d=\"100\" r=\"1\"/><S d=\"38\"/></SegmentTimeline></SegmentTemplate>\
         <Representation id=\"720p\" bandwidth=\"900000\"/><Representation id=\"360p\" bandwidth=\"300000\"/>\
         </AdaptationSet></Period></MPD>"
    )
}

fn sizes(content: &Content) -> Vec<Vec<u64>> {
    content
        .segments()
        .iter()
        .map(|segment| segment.bytes.clone())
        .collect()
}

fn durations_ms(content: &Content) -> Vec<i64> {
    content
        .segments()
        .iter()
        .map(|segment| segment.duration.as_millis())
        .collect()
}

#[test]
fn an_hls_stream_has_the_sizes_of_its_files() {
    let stream = Stream::new();
    let content = stream.read("hls/master.m3u8").unwrap();
    assert_eq!(content.name(), "master");
    assert_eq!(content.bitrates_kbps(), [300.0, 800.0]);
    assert_eq!(durations_ms(&content), [4000, 4000, 1520]);
    assert_eq!(
        sizes(&content),
        [vec![900, 3000], vec![1100, 2500], vec![500, 1501]]
    );
    assert_eq!(content.segment_duration(), MediaTime::from_millis(4000));
    assert!(!content.has_vmaf());
}

#[test]
fn a_dash_stream_is_the_same() {
    let stream = Stream::new();
    let dash = stream.read("dash/manifest.mpd").unwrap();
    let hls = stream.read("hls/master.m3u8").unwrap();
    assert_eq!(dash.bitrates_kbps(), [300.0, 900.0]);
    assert_eq!(dash.segments(), hls.segments());
}

#[test]
fn a_folder_is_searched_for_its_manifest() {
    let stream = Stream::new();
    assert_eq!(stream.read("").unwrap().bitrates_kbps(), [300.0, 900.0]);
    assert_eq!(stream.read("hls").unwrap().name(), "hls");
    let none = stream.read("720p").unwrap_err().to_string();
    assert!(
        none.contains("720p holds no manifest; name the manifest"),
        "{none}"
    );
    for name in ["a.m3u8", "b.m3u8"] {
        stream.put(&format!("720p/{name}"), b"#EXTM3U\n");
    }
    let several = stream.read("720p").unwrap_err().to_string();
    assert!(several.contains("holds several *.m3u8"), "{several}");
}

#[test]
fn a_media_playlist_alone_has_the_bitrate_of_its_bytes() {
    let stream = Stream::new();
    stream.put(
        "alone.m3u8",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n#EXT-X-BYTERANGE:6000@0\nnot/here.ts\n\
          #EXTINF:2,\n#EXT-X-BYTERANGE:4000\nnot/here.ts\n#EXT-X-ENDLIST\n",
    );
    let content = stream.read("alone.m3u8").unwrap();
    assert_eq!(content.bitrates_kbps(), [20.0]);
    assert_eq!(sizes(&content), [[6000], [4000]]);
}

#[test]
fn names_with_odd_characters_are_found() {
    let stream = Stream::new();
    stream.put(
        "ä b#1 %41/x y.m3u8",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nseg%20%C3%A9.ts?token=1\n#EXT-X-ENDLIST\n".as_bytes(),
    );
    stream.put("ä b#1 %41/seg é.ts", &[0; 77]);
    assert_eq!(sizes(&stream.read("ä b#1 %41/x y.m3u8").unwrap()), [[77]]);
}

#[test]
fn quality_comes_from_the_segment_table() {
    let stream = Stream::new();
    let refer =
        "<SupplementalProperty schemeIdUri=\"urn:headgate:segments:2026\" value=\"../segments.json\"/>";
    stream.put("dash/manifest.mpd", mpd(refer).as_bytes());
    let table = |first: &str| {
        format!(
            r#"{{"version": 1, "renditions": [
                {{"hls": "hls/360p.m3u8", "dash": "360p", "quality": [{first}, 31, 32]}},
                {{"hls": "hls/720p.m3u8", "dash": "720p", "quality": [80.5, 81, 82]}}]}}"#
        )
    };
    stream.put("segments.json", table("30").as_bytes());
    let content = stream.read("").unwrap();
    let vmaf: Vec<_> = content
        .segments()
        .iter()
        .map(|segment| segment.vmaf.clone())
        .collect();
    assert_eq!(vmaf, [[30.0, 80.5], [31.0, 81.0], [32.0, 82.0]]);
    // What is not known throughout is not known.
    stream.put("segments.json", table("null").as_bytes());
    assert!(!stream.read("").unwrap().has_vmaf());
    let master =
        format!("{MASTER}#EXT-X-SESSION-DATA:DATA-ID=\"dev.headgate.segments\",URI=\"../segments.json\"\n");
    stream.put("hls/master.m3u8", master.as_bytes());
    stream.put("segments.json", table("30").as_bytes());
    assert_eq!(stream.read("hls").unwrap().segments(), content.segments());
}

#[test]
fn each_error_names_the_manifest_and_what_is_wrong() {
    let check = |change: &dyn Fn(&Stream), read: &str, expected: &str| {
        let stream = Stream::new();
        change(&stream);
        let error = stream.read(read).unwrap_err().to_string();
        let name = Path::new(read).file_name().unwrap().to_string_lossy();
        assert!(error.contains(&*name) && error.contains(expected), "{error}");
    };
    let remove = |name: &'static str| move |stream: &Stream| fs::remove_file(stream.path(name)).unwrap();
    let put =
        |name: &'static str, text: &'static str| move |stream: &Stream| stream.put(name, text.as_bytes());
    let hls = "hls/master.m3u8";
    check(&remove(hls), hls, "cannot read the manifest");
    check(&remove("hls/720p.m3u8"), hls, "720p.m3u8, which it names");
    check(
        &remove("720p/2.m4s"),
        "dash/manifest.mpd",
        "720p/2.m4s, which it names",
    );
    check(
        &put("720p/2.m4s", ""),
        hls,
        "720p/2.m4s, which it names: the file is empty",
    );
    check(&put(hls, "<html>"), hls, "HTML");
    check(
        &put("hls/360p.m3u8", "#EXTM3U\n"),
        "hls/360p.m3u8",
        "360p.m3u8 cannot be played",
    );
    let short = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n../360p/1.m4s\n#EXT-X-ENDLIST\n";
    check(&put("hls/360p.m3u8", short), hls, "has 1 segments and");
    let uneven = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:2,\n../360p/1.m4s\n#EXTINF:4,\n../360p/2.m4s\n#EXTINF:3,\n../360p/3.m4s\n#EXT-X-ENDLIST\n";
    check(&put("hls/360p.m3u8", uneven), hls, "are cut at different times");
    let live = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n../360p/1.m4s\n";
    check(&put("hls/360p.m3u8", live), hls, "live playlist");
    check(&put("hls/360p.m3u8", live), "hls/360p.m3u8", "live stream");
    let gap = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-GAP\n#EXTINF:4,\n../360p/1.m4s\n#EXT-X-ENDLIST\n";
    check(&put("hls/360p.m3u8", gap), "hls/360p.m3u8", "declared missing");
    let away = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nhttps://cdn.example/1.m4s?token=secret\n#EXT-X-ENDLIST\n";
    check(
        &put("hls/360p.m3u8", away),
        "hls/360p.m3u8",
        "https://cdn.example/1.m4s is not in a local folder",
    );
    let sound = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"mp4a.40.2\"\n360p.m3u8\n";
    check(&put(hls, sound), hls, "no video");
    check(
        &put("hls/360p.m3u8", "#EXTM3U\n#EXTINF:4,\n../360p\n#EXT-X-ENDLIST\n"),
        "hls/360p.m3u8",
        "360p, which it names",
    );
    let empty = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n#EXT-X-BYTERANGE:0@0\na.ts\n#EXT-X-ENDLIST\n";
    check(&put("hls/360p.m3u8", empty), "hls/360p.m3u8", "declared missing");
}

#[test]
fn a_session_plays_a_stream_to_its_end() {
    let stream = Stream::new();
    let content = stream.read("").unwrap();
    // 8 kbit/s and 100 ms: a kilobyte a second; 0.9 + 0.1 s, 2.5 + 0.1 s, 0.5 + 0.1 s.
    let outcome = play_content(&trace(100.0, &[(1000.0, 8.0)]), content, 30.0, &[0, 1, 0]).unwrap();
    let played: Vec<_> = outcome
        .played
        .iter()
        .map(|p| (p.rung, p.stall.as_millis()))
        .collect();
    assert_eq!(played, [(0, 1000), (1, 0), (0, 0)]);
    assert_eq!(outcome.duration.as_millis(), 1000 + 9520);
}

/// A `sidx` box: ticks are milliseconds; of each reference whether it is to another index, bytes and duration.
fn sidx(start_ms: u32, references: &[(bool, usize, u32)]) -> Vec<u8> {
    let mut bytes = ((32 + 12 * references.len()) as u32).to_be_bytes().to_vec();
    bytes.extend(b"sidx\0\0\0\0");
    for word in [1, 1000, start_ms, 0, references.len() as u32] {
        bytes.extend(word.to_be_bytes());
    }
    for (is_index, size, ms) in references {
        let size = *size as u32 | u32::from(*is_index) << 31;
        for word in [size, *ms, 0x9000_0000] {
            bytes.extend(word.to_be_bytes());
        }
    }
    bytes
}

#[test]
fn files_that_list_their_segments_themselves_are_read() {
    let stream = Stream::new();
    let media = |sizes: &[usize]| vec![0; sizes.iter().sum()];
    let head = b"\0\0\0\x10ftypiso6\0\0\0\0".as_slice();
    // One has an index, the other one of indexes, each before its segments.
    let low = [
        head,
        &sidx(0, &[(false, 900, 4000), (false, 1100, 4000), (false, 500, 1520)]),
        &media(&[900, 1100, 500]),
    ]
    .concat();
    let first = [
        sidx(0, &[(false, 3000, 4000), (false, 2500, 4000)]),
        media(&[3000, 2500]),
    ]
    .concat();
    let second = [sidx(8000, &[(false, 1501, 1520)]), media(&[1501])].concat();
    let both = sidx(0, &[(true, first.len(), 8000), (true, second.len(), 1520)]);
    let range = format!("{}-{}", head.len(), head.len() + both.len() - 1);
    let high = [head, &both, &first, &second].concat();
    stream.put("files/low one.mp4", &low);
    stream.put("files/high.mp4", &high);
    let mpd = format!(
        "<MPD mediaPresentationDuration=\"PT9.52S\"><Period><AdaptationSet mimeType=\"video/mp4\" codecs=\"avc1.64001f\">\
         <Representation id=\"high\" bandwidth=\"900000\"><BaseURL>high.mp4</BaseURL><SegmentBase indexRange=\"{range}\"/></Representation>\
         <Representation id=\"low\" bandwidth=\"300000\"><BaseURL>low%20one.mp4</BaseURL></Representation>\
         </AdaptationSet></Period></MPD>"
    );
    stream.put("files/manifest.mpd", mpd.as_bytes());
    let content = stream.read("files").unwrap();
    assert_eq!(content.bitrates_kbps(), [300.0, 900.0]);
    assert_eq!(
        content.segments(),
        stream.read("dash/manifest.mpd").unwrap().segments()
    );

    // What is not there, or not all of it, is said by name.
    let failed = || stream.read("files").unwrap_err().to_string();
    stream.put("files/high.mp4", &high[..head.len() + both.len() + 20]);
    assert!(
        failed().contains("high.mp4: byte") && failed().contains("ends in the segment index"),
        "{}",
        failed()
    );
    stream.put("files/high.mp4", &[head, b"\0\0\0\x08moof"].concat());
    assert!(failed().contains("no segment index"), "{}", failed());
    fs::remove_file(stream.path("files/high.mp4")).unwrap();
    assert!(failed().contains("cannot read"), "{}", failed());
}
