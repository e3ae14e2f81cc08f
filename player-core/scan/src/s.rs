//! `S` elements of MPDs (ISO/IEC 23009-1, 5.3.9.6) in the form that everyone writes.

/// An `S` element: `@d` segments' ticks each, `@r` + 1 of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct S {
    /// `@t`: start of the first one, ticks; where the one before ends if `None`.
    pub t: Option<u64>,
    /// `@d`: duration of each, ticks.
    pub d: u64,
    /// `@r`: how often it is repeated; below 0, up to the next `@t` or the end of the period.
    pub r: i64,
    /// `@n`: number of the first one.
    pub n: Option<u64>,
    /// `@k`: how many segments a sequence has, which lasts `@d`.
    pub k: u64,
}

/// Passes over space, and counts the line breaks in it.
#[inline(never)]
pub fn space(text: &[u8], at: &mut usize, lines: &mut u32) {
    while let Some(byte @ (b' ' | b'\n' | b'\t' | b'\r')) = text.get(*at) {
        *lines += u32::from(*byte == b'\n');
        *at += 1;
    }
}

/// Reads `<S t="1" d="2"/>`, if it is in that form and on one line; also where it ends.
#[inline(never)]
pub fn s(text: &[u8], mut at: usize) -> Option<(S, usize)> {
    let byte = |at: usize| text.get(at).copied().unwrap_or(0);
    if !(byte(at) == b'<' && byte(at + 1) == b'S' && byte(at + 2) == b' ') {
        return None;
    }
    at += 3;
    let mut s = S { k: 1, ..S::default() };
    loop {
        let name = byte(at);
        if name == b' ' {
            at += 1;
            continue;
        }
        if name == b'/' && byte(at + 1) == b'>' {
            return Some((s, at + 2));
        }
        if name == b'>' && text.get(at + 1..at + 5) == Some(b"</S>") {
            return Some((s, at + 5));
        }
        let quote = byte(at + 2);
        if byte(at + 1) != b'=' || !matches!(quote, b'"' | b'\'') {
            return None;
        }
        at += 3;
        let negative = byte(at) == b'-';
        at += usize::from(negative);
        let first = at;
        let mut value: u64 = 0;
        while byte(at).is_ascii_digit() {
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte(at) - b'0'));
            at += 1;
        }
        // 18 digits never overflow.
        if byte(at) != quote || !(1..=18).contains(&(at - first)) || (negative && name != b'r') {
            return None;
        }
        at += 1;
        match name {
            b't' => s.t = Some(value),
            b'd' => s.d = value,
            b'r' if negative => s.r = -(value as i64),
            b'r' => s.r = value as i64,
            b'n' => s.n = Some(value),
            b'k' => s.k = value,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everyone_writes_is_read() {
        let all = S {
            t: Some(1),
            d: 2,
            r: -1,
            n: Some(3),
            k: 4,
        };
        let text = r#"<S t="1"  d='2' r="-1" n="3" k="4"/>"#;
        assert_eq!(s(text.as_bytes(), 0), Some((all, text.len())));
        let usual = S {
            d: 7,
            k: 1,
            ..S::default()
        };
        assert_eq!(s(b" <S d=\"7\"></S>x", 1), Some((usual, 14)));
        for other in [
            "",
            "<",
            "<S",
            "<S ",
            "<SE d=\"1\"/>",
            "<S d=\"1\">",
            "<S d=1/>",
            "<S d=\"-1\"/>",
            "<S x=\"1\"/>",
            "<S d=\"\"/>",
            "<S d=\"1234567890123456789\"/>",
        ] {
            assert_eq!(s(other.as_bytes(), 0), None, "{other}");
        }
        let (mut at, mut lines) = (0, 0);
        space(b" \r\n\t\n<", &mut at, &mut lines);
        assert_eq!((at, lines), (5, 2));
    }
}
