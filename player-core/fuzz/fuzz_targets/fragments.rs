//! What a transmuxer gives: boxes that fill it, and fragments whose samples fill their `mdat`.

/// Panics where it is not.
pub fn check(segment: &[u8]) {
    let mut at = 0;
    let mut expected = None;
    for (kind, content) in boxes(segment) {
        let start = at;
        at += content.len() + 8;
        match &kind {
            b"moof" => expected = Some(fragment(content, start, at)),
            b"mdat" => assert_eq!(expected.take(), Some(at), "samples do not fill mdat"),
            _ => {}
        }
    }
    assert!(at == segment.len() && expected.is_none());
}

/// Where the samples of a `moof` end, which begins at `start` and ends at `end`.
fn fragment(moof: &[u8], start: usize, end: usize) -> usize {
    let mut data = end + 8;
    for (kind, traf) in boxes(moof) {
        if kind != *b"traf" {
            continue;
        }
        for (kind, content) in boxes(traf) {
            match &kind {
                b"tfdt" => assert!(number(content, 4) >> 31 == 0, "a time without end"),
                b"trun" => {
                    assert_eq!(start + number(content, 8) as usize, data);
                    data += sizes(content);
                }
                _ => {}
            }
        }
    }
    data
}

fn sizes(trun: &[u8]) -> usize {
    let flags = number(trun, 0);
    let (count, words) = (number(trun, 4) as usize, (flags >> 8 & 15).count_ones() as usize);
    assert_eq!(trun.len(), 12 + count * words * 4);
    let before = usize::from(flags & 0x100 != 0);
    (0..count)
        .map(|n| {
            let at = 12 + n * words * 4;
            assert!(before == 0 || number(trun, at) > 0, "a sample without duration");
            number(trun, at + before * 4) as usize
        })
        .sum()
}

fn boxes(mut bytes: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let size = number(bytes, 0) as usize;
        found.push((*bytes[4..].first_chunk().unwrap(), &bytes[8..size]));
        bytes = &bytes[size..];
    }
    found
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*bytes[at..].first_chunk().unwrap())
}
