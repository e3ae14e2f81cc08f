//! Base64 (RFC 4648).

/// Section 4: `+`, `/` and padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    digits(bytes, b"+/", true)
}

/// Section 5, without padding: `-` and `_`.
pub(crate) fn encode_url(bytes: &[u8]) -> String {
    digits(bytes, b"-_", false)
}

/// Either alphabet, to up to `most` bytes; white space and missing padding do not matter. `None` if nothing comes of it, too.
pub(crate) fn decode(text: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for b in text {
        let digit = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' | b' ' | b'\n' | b'\r' | b'\t' => continue,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(digit)) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
        if out.len() > most {
            return None;
        }
    }
    (!out.is_empty()).then_some(out)
}

fn digits(bytes: &[u8], last: &[u8; 2], padded: bool) -> String {
    const DIGITS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0, |word, i| {
            word << 8 | usize::from(chunk.get(i).copied().unwrap_or(0))
        });
        for i in 0..4 {
            if i <= chunk.len() {
                let digit = word >> (18 - 6 * i) & 63;
                let digit = DIGITS.get(digit).or_else(|| last.get(digit.wrapping_sub(62)));
                out.push(char::from(digit.copied().unwrap_or(b'=')));
            } else if padded {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_rfc() {
        for (text, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(text.as_bytes()), expected);
            assert_eq!(encode_url(text.as_bytes()), expected.trim_end_matches('='));
            let read = decode(expected.as_bytes(), 64).unwrap_or_default();
            assert_eq!(read, text.as_bytes());
        }
        assert_eq!(
            (encode(b"\xfb\xff"), encode_url(b"\xfb\xff")),
            ("+/8=".into(), "-_8".into())
        );
    }

    #[test]
    fn reading_is_lenient_and_bounded() {
        assert_eq!(decode(b" aGVs\n bG8h ", 64).as_deref(), Some(&b"hello!"[..]));
        assert_eq!(decode(b"-_8", 2), decode(b"+/8=", 2));
        assert_eq!(decode(b"aGVsbG8=", 4), None);
        assert_eq!(decode(b"a*", 64), None);
        assert_eq!(decode(b"", 64), None);
    }
}
