//! WebVTT and TTML as samples of fragmented MP4.
#![allow(clippy::unwrap_used)]

use player_core::text::{Cues, Format, TextError, mp4, read};

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = ((content.len() + 8) as u32).to_be_bytes().to_vec();
    out.extend_from_slice(kind);
    out.extend(content);
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// An initialization section of one track of 1000 ticks a second, behind one of sound.
fn init(entry: &[u8]) -> Vec<u8> {
    let trak = |id: u32, entry: &[u8]| {
        let stsd = boxed(b"stsd", &[&words(&[0, 1]), entry]);
        let minf = boxed(b"minf", &[&boxed(b"stbl", &[&stsd])]);
        let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 1000, 0, 0])]);
        let tkhd = boxed(b"tkhd", &[&words(&[0, 0, 0, id]), &[0; 68]]);
        boxed(b"trak", &[&tkhd, &boxed(b"mdia", &[&mdhd, &minf])])
    };
    let trex = |id, duration| boxed(b"trex", &[&words(&[0, id, 1, duration, 0, 0])]);
    let mvex = boxed(b"mvex", &[&trex(1, 7), &trex(2, 2000)]);
    let sound = trak(1, &boxed(b"mp4a", &[&[0; 28]]));
    let moov = boxed(
        b"moov",
        &[&boxed(b"mvhd", &[&[0; 100]]), &sound, &trak(2, entry), &mvex],
    );
    [boxed(b"ftyp", &[b"iso6\0\0\0\0"]), moov].concat()
}

fn wvtt_init() -> Vec<u8> {
    let header = b"WEBVTT\n\nREGION\nid:fred\nwidth:40%\n";
    init(&boxed(b"wvtt", &[&[0; 8], &boxed(b"vttC", &[header])]))
}

fn stpp_init() -> Vec<u8> {
    init(&boxed(b"stpp", &[&[0; 8], b"http://www.w3.org/ns/ttml\0\0\0"]))
}

/// A fragment of the second track: samples with their durations, from `start` on.
fn segment(start: u64, samples: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let trun = |offset: u32| {
        let mut fields = words(&[0x0000_0301, samples.len() as u32, offset]);
        for (duration, data) in samples {
            fields.extend(words(&[*duration, data.len() as u32]));
        }
        boxed(b"trun", &[&fields])
    };
    let tfdt = boxed(b"tfdt", &[&words(&[0x0100_0000]), &start.to_be_bytes()]);
    let moof = |offset| {
        let traf = boxed(
            b"traf",
            &[&boxed(b"tfhd", &[&words(&[0x02_0000, 2])]), &tfdt, &trun(offset)],
        );
        let sound = boxed(b"traf", &[&boxed(b"tfhd", &[&words(&[0x02_0000, 1])])]);
        boxed(b"moof", &[&boxed(b"mfhd", &[&words(&[0, 1])]), &sound, &traf])
    };
    let offset = moof(0).len() as u32 + 8;
    let data: Vec<u8> = samples.iter().flat_map(|(_, data)| data.clone()).collect();
    [
        boxed(b"styp", &[b"msdh\0\0\0\0"]),
        moof(offset),
        boxed(b"mdat", &[&data]),
    ]
    .concat()
}

fn vttc(parts: &[(&[u8; 4], &str)]) -> Vec<u8> {
    let boxes: Vec<u8> = parts
        .iter()
        .flat_map(|(kind, text)| boxed(kind, &[text.as_bytes()]))
        .collect();
    boxed(b"vttc", &[&boxes])
}

fn shown(cues: &Cues) -> Vec<String> {
    let cues = cues.cues.iter();
    cues.map(|cue| {
        let (start, end) = (cue.start.as_millis(), cue.end.as_millis());
        format!("{start}-{end} {} {}|{}", cue.id, cue.settings, cue.text)
    })
    .collect()
}

#[test]
fn webvtt_samples_are_cues_and_what_goes_on_is_one() {
    let a = vttc(&[
        (b"vsid", "\0\0\0\x01"),
        (b"iden", "a"),
        (b"sttg", "line:90%  align:center align:start"),
        (b"payl", "<i>One</i>"),
    ]);
    let b = vttc(&[(b"payl", "Two & <b>three</b>")]);
    let empty = boxed(b"vtte", &[]);
    let samples = [
        (1000, empty.clone()),
        (500, a.clone()),
        (500, [a.clone(), b.clone()].concat()),
        (1000, [boxed(b"vtta", &[b"a note"]), b].concat()),
        (1000, empty),
        (250, a),
    ];
    let cues = mp4::read(&segment(90_000_000, &samples), Some(&wvtt_init())).unwrap();
    assert_eq!(
        shown(&cues),
        [
            "90001000-90002000 a line:90% align:start|<i>One</i>",
            "90001500-90003000  |Two & <b>three</b>",
            "90004000-90004250 a line:90% align:start|<i>One</i>"
        ]
    );
    assert!(cues.warnings.is_empty(), "{:?}", cues.warnings);
}

#[test]
fn regions_are_those_of_the_header() {
    let cue = vttc(&[(b"sttg", "region:fred align:left"), (b"payl", "x")]);
    let cues = mp4::read(&segment(0, &[(1000, cue)]), Some(&wvtt_init())).unwrap();
    assert_eq!(cues.cues[0].settings, "align:left");
    let region = cues.cues[0].region.as_ref().unwrap();
    assert_eq!((region.id.as_str(), region.width), ("fred", 40.0));
}

fn ttml(inner: &str) -> Vec<u8> {
    format!("<tt xmlns=\"http://www.w3.org/ns/ttml\"><body><div>{inner}</div></body></tt>").into_bytes()
}

#[test]
fn ttml_samples_show_their_cues_within_their_time() {
    let first = ttml(
        "<p begin='9s' end='11s'>a</p><p begin='11.5s' end='13s'>b</p><p begin='20s' end='21s'>not here</p>",
    );
    // Images of a sample follow its document.
    let second = [
        ttml("<p begin='11.5s' end='13s'>b</p><p>c</p>"),
        vec![0x89, b'P', b'N', b'G', 0xff, b'<'],
    ]
    .concat();
    let samples = [(2000, first.clone()), (0, first), (2000, second)];
    let cues = mp4::read(&segment(10_000, &samples), Some(&stpp_init())).unwrap();
    assert_eq!(
        shown(&cues),
        ["10000-11000  |a", "11500-13000  |b", "12000-14000  |c"]
    );
    assert!(cues.warnings.is_empty(), "{:?}", cues.warnings);
}

#[test]
fn ttml_that_counts_from_its_sample_is_told_and_shifted() {
    let cues = mp4::read(
        &segment(60_000, &[(2000, ttml("<p begin='0.5s' end='1s'>a</p>"))]),
        Some(&stpp_init()),
    )
    .unwrap();
    assert_eq!(shown(&cues), ["60500-61000  |a"]);
    assert_eq!(
        cues.warnings[0].message,
        "times count from the start of the sample instead of that of the track"
    );
}

#[test]
fn a_broken_sample_does_not_break_the_others() {
    let samples = [(1000, b"<tt".to_vec()), (1000, ttml("<p end='9s'>a</p>"))];
    let whole = segment(0, &samples);
    let cues = mp4::read(&whole, Some(&stpp_init())).unwrap();
    assert_eq!(shown(&cues), ["1000-2000  |a"]);
    assert_eq!(cues.warnings.len(), 1);
    let cues = mp4::read(&whole[..whole.len() - 4], Some(&stpp_init())).unwrap();
    assert_eq!(shown(&cues), [""; 0]);
}

#[test]
fn defaults_of_the_fragment_and_of_the_track() {
    let data = vttc(&[(b"payl", "x")]);
    // Offset and nothing else; size by the fragment, duration by the track.
    let build = |offset: u32| {
        let trun = boxed(b"trun", &[&words(&[1, 2, offset])]);
        let tfhd = boxed(b"tfhd", &[&words(&[0x02_0010, 2, data.len() as u32])]);
        let tfdt = boxed(b"tfdt", &[&words(&[0, 500])]);
        boxed(b"moof", &[&boxed(b"traf", &[&tfhd, &tfdt, &trun])])
    };
    let moof = build(build(0).len() as u32 + 8);
    let segment = [moof, boxed(b"mdat", &[&data, &data])].concat();
    assert_eq!(
        shown(&mp4::read(&segment, Some(&wvtt_init())).unwrap()),
        ["500-4500  |x"]
    );
    // Both in one.
    let whole = [wvtt_init(), segment].concat();
    assert_eq!(mp4::read(&whole, None).unwrap().cues.len(), 1);
}

#[test]
fn what_has_no_text_is_refused() {
    let sample = segment(0, &[(1000, vttc(&[(b"payl", "x")]))]);
    assert!(matches!(
        mp4::read(&sample, None),
        Err(TextError::Malformed { .. })
    ));
    assert!(matches!(
        mp4::read(&[], Some(&wvtt_init())),
        Err(TextError::Malformed { .. })
    ));
    let sound = init(&boxed(b"mp4a", &[&[0; 28]]));
    assert!(matches!(
        mp4::read(&sample, Some(&sound)),
        Err(TextError::Malformed { .. })
    ));
    let encrypted = init(&boxed(b"enct", &[&[0; 8]]));
    assert!(matches!(
        mp4::read(&sample, Some(&encrypted)),
        Err(TextError::Unsupported(_))
    ));
}

#[test]
fn hostile_counts_and_offsets_are_bounded() {
    let data = vttc(&[(b"payl", "x")]);
    for (flags, size) in [(0, 0), (0x10, 0), (0x10, data.len() as u32), (0x10, u32::MAX)] {
        let traf = |offset: u32| {
            let trun = boxed(b"trun", &[&words(&[1, u32::MAX, offset])]);
            let mut tfhd = words(&[0x02_0000 | flags, 2]);
            if flags != 0 {
                tfhd.extend(words(&[size]));
            }
            boxed(b"traf", &[&boxed(b"tfhd", &[&tfhd]), &trun])
        };
        // Many runs of the same bytes.
        let trafs = |offset| traf(offset).repeat(50);
        let offset = trafs(0).len() as u32 + 16;
        let segment = [boxed(b"moof", &[&trafs(offset)]), boxed(b"mdat", &[&data])].concat();
        let cues = mp4::read(&segment, Some(&wvtt_init())).unwrap();
        assert!(cues.cues.len() <= segment.len() / data.len() && cues.warnings.len() <= 100);
    }
}

#[test]
fn every_cut_is_survived() {
    let whole = [wvtt_init(), segment(0, &[(1000, vttc(&[(b"payl", "x")]))])].concat();
    for length in 0..whole.len() {
        let _ = read(&whole[..length], None, Format::Mp4);
    }
}
