//! A reader of the fMP4 that comes out, independent of the writer.

/// A box, its kind and content.
pub fn boxes(bytes: &[u8]) -> Vec<(String, &[u8])> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        found.push((String::from_utf8_lossy(&rest[4..8]).into_owned(), &rest[8..size]));
        rest = &rest[size..];
    }
    found
}

/// The content of the first box along a path, as `moov/trak/mdia`.
pub fn find<'a>(bytes: &'a [u8], path: &str) -> Option<&'a [u8]> {
    path.split('/').try_fold(bytes, |bytes, kind| {
        boxes(bytes)
            .into_iter()
            .find(|(found, _)| found == kind)
            .map(|(_, content)| content)
    })
}

/// A sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub dts: i64,
    pub pts: i64,
    pub duration: i64,
    pub sync: bool,
    pub bytes: Vec<u8>,
}

/// A track of a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    pub id: u32,
    pub samples: Vec<Sample>,
}

/// The fragments of a segment, each with its tracks. Checks offsets and sizes on the way.
pub fn fragments(segment: &[u8]) -> Vec<Vec<Track>> {
    let u32_at = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut fragments = Vec::new();
    let mut at = 0;
    let mut last_end = 0;
    for (kind, content) in boxes(segment) {
        let start = at;
        at += content.len() + 8;
        if kind == "mdat" {
            assert_eq!(last_end, at, "all bytes of mdat belong to a sample");
        }
        if kind != "moof" {
            continue;
        }
        let mut tracks = Vec::new();
        let mut expected = at + 8;
        for (_, traf) in boxes(content).into_iter().filter(|(kind, _)| kind == "traf") {
            let tfhd = find(traf, "tfhd").unwrap();
            let flags = u32_at(tfhd, 0);
            assert_eq!(flags & 0x02_0000, 0x02_0000, "default-base-is-moof");
            let (default_duration, default_flags) = if flags & 0x28 == 0x28 {
                (u32_at(tfhd, 8), u32_at(tfhd, 12))
            } else {
                (0, 0)
            };
            let tfdt = find(traf, "tfdt").unwrap();
            let mut dts = i64::from(u32_at(tfdt, 4)) << 32 | i64::from(u32_at(tfdt, 8));
            let trun = find(traf, "trun").unwrap();
            let flags = u32_at(trun, 0);
            let count = u32_at(trun, 4);
            let mut offset = start + u32_at(trun, 8) as usize;
            assert_eq!(offset, expected, "data offset");
            let mut words = trun[12..].chunks_exact(4).map(|word| u32_at(word, 0));
            let mut samples = Vec::new();
            for _ in 0..count {
                let duration = if flags & 0x100 != 0 {
                    words.next().unwrap()
                } else {
                    default_duration
                };
                let size = words.next().unwrap() as usize;
                let sample_flags = if flags & 0x400 != 0 {
                    words.next().unwrap()
                } else {
                    default_flags
                };
                let delay = if flags & 0x800 != 0 {
                    words.next().unwrap() as i32
                } else {
                    0
                };
                samples.push(Sample {
                    dts,
                    pts: dts + i64::from(delay),
                    duration: duration.into(),
                    sync: sample_flags & 0x1_0000 == 0,
                    bytes: segment[offset..offset + size].to_vec(),
                });
                dts += i64::from(duration);
                offset += size;
            }
            assert_eq!(words.next(), None);
            expected = offset;
            last_end = offset;
            tracks.push(Track {
                id: u32_at(tfhd, 4),
                samples,
            });
        }
        fragments.push(tracks);
    }
    fragments
}
