//! One byte range of a request (RFC 9110 §14.2).

/// What of `length` bytes a `Range` field asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// There is no range, or one that may be left aside.
    Whole,
    /// From the first byte to the last.
    Bytes(u64, u64),
    /// None of it is there.
    Nothing,
}

/// Several ranges, other units and what cannot be read count as none.
pub(super) fn wanted(field: Option<&str>, length: u64) -> Wanted {
    let range = field.and_then(|field| field.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        return Wanted::Whole;
    };
    let number = |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| text.parse::<u64>().ok()).flatten()
    };
    match (number(first), number(last)) {
        (None, Some(0)) if first.is_empty() => Wanted::Nothing,
        (None, Some(suffix)) if first.is_empty() && length > 0 => {
            Wanted::Bytes(length.saturating_sub(suffix), length - 1)
        }
        (Some(first), _) if first >= length => Wanted::Nothing,
        (Some(first), None) if last.is_empty() => Wanted::Bytes(first, length - 1),
        (Some(first), Some(last)) if first <= last => Wanted::Bytes(first, last.min(length - 1)),
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_what_is_there() {
        for (field, expected) in [
            ("bytes=0-9", Wanted::Bytes(0, 9)),
            ("bytes=90-", Wanted::Bytes(90, 99)),
            ("bytes=-5", Wanted::Bytes(95, 99)),
            ("bytes=-500", Wanted::Bytes(0, 99)),
            ("bytes=50-500", Wanted::Bytes(50, 99)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=9-3", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(field), 100), expected, "{field}");
        }
        assert_eq!(wanted(None, 100), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Nothing);
    }
}
