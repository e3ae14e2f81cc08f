//! Numbers in URLs: most lists of segments differ in one that counts up.

/// Longest number that is counted up, digits: its value fits 64 bits.
const MAX_DIGITS: usize = 18;

/// Raises the number that `behind` bytes follow by `by`. Leading zeros keep its width. If there is no number, nothing happens.
#[inline(never)]
pub fn step(url: &mut String, behind: usize, by: i64) {
    let Some((start, end, value)) = number_before(url, behind) else {
        return;
    };
    let Some(value) = value.checked_add_signed(by) else {
        return;
    };
    let (digits, at) = digits(value);
    let digits = digits.get(at..).unwrap_or_default();
    let width = if url.as_bytes().get(start) == Some(&b'0') {
        end - start
    } else {
        0
    };
    let mut text = String::with_capacity(MAX_DIGITS + 2);
    for _ in digits.len()..width {
        text.push('0');
    }
    text.extend(digits.iter().map(|digit| char::from(*digit)));
    url.replace_range(start..end, &text);
}

/// Whether [`step`] makes `to` of `from`.
#[inline(never)]
pub fn leads_to(from: &str, behind: usize, by: i64, to: &str) -> bool {
    if only_last_digit(from.as_bytes(), behind, by, to.as_bytes()) {
        return true;
    }
    let Some((start, end, value)) = number_before(from, behind) else {
        return false;
    };
    let Some(value) = value.checked_add_signed(by) else {
        return false;
    };
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let (digits, at) = digits(value);
    let digits = digits.get(at..).unwrap_or_default();
    let width = if from.get(start) == Some(&b'0') {
        end - start
    } else {
        0
    };
    let zeros = width.saturating_sub(digits.len());
    let number_end = start + zeros + digits.len();
    to.len() == number_end + behind
        && to.get(..start) == from.get(..start)
        && to.get(number_end..) == from.get(end..)
        && to
            .get(start..start + zeros)
            .is_some_and(|z| z.iter().all(|b| *b == b'0'))
        && to.get(start + zeros..number_end) == Some(digits)
}

/// Whether [`step`] makes `to` of `from` and only its last digit differs: mostly so, and seen without any arithmetic.
fn only_last_digit(from: &[u8], behind: usize, by: i64, to: &[u8]) -> bool {
    let Some(last) = from.len().checked_sub(behind + 1) else {
        return false;
    };
    let Some(digit) = from.get(last).filter(|b| b.is_ascii_digit()) else {
        return false;
    };
    let next = i64::from(*digit) + by;
    if from.len() != to.len()
        || !(i64::from(*digit)..=i64::from(b'9')).contains(&next)
        || to.get(last).map(|b| i64::from(*b)) != Some(next)
        || to.get(..last) != from.get(..last)
        || to.get(last + 1..) != from.get(last + 1..)
    {
        return false;
    }
    let digits = from.get(..last).unwrap_or_default().iter().rev();
    digits.take_while(|b| b.is_ascii_digit()).take(MAX_DIGITS).count() < MAX_DIGITS
}

/// The step that leads from one URL to the other, if they differ in one number only: bytes behind the number, and by how much it rises.
#[inline(never)]
pub fn difference(from: &str, to: &str) -> Option<(usize, i64)> {
    let (a, b) = (from.as_bytes(), to.as_bytes());
    let shared = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let start = a
        .get(..shared)?
        .iter()
        .rposition(|byte| !byte.is_ascii_digit())
        .map_or(0, |i| i + 1);
    let end_of = |text: &[u8]| {
        let digits = text
            .get(start..)?
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        (1..=MAX_DIGITS).contains(&digits).then_some(start + digits)
    };
    let (end_a, end_b) = (end_of(a)?, end_of(b)?);
    let value = |text: &str, end: usize| text.get(start..end)?.parse::<i64>().ok();
    let by = value(to, end_b)? - value(from, end_a)?;
    let behind = from.len() - end_a;
    (by != 0 && leads_to(from, behind, by, to)).then_some((behind, by))
}

/// Where the number that `behind` bytes follow is, and its value.
fn number_before(url: &str, behind: usize) -> Option<(usize, usize, u64)> {
    let end = url.len().checked_sub(behind)?;
    let bytes = url.as_bytes().get(..end)?;
    let mut start = end;
    let mut value = 0_u64;
    let mut unit = 1_u64;
    while let Some(byte) = start
        .checked_sub(1)
        .and_then(|i| bytes.get(i))
        .filter(|b| b.is_ascii_digit())
    {
        if end - start == MAX_DIGITS {
            return None;
        }
        value += u64::from(byte - b'0') * unit;
        unit = unit.saturating_mul(10);
        start -= 1;
    }
    (start < end).then_some((start, end, value))
}

/// The decimal digits of a number, at the end of the array, and where they begin.
fn digits(mut value: u64) -> ([u8; 20], usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (value % 10) as u8;
        }
        value /= 10;
        if value == 0 || at == 0 {
            return (digits, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_up() {
        for (from, to, expected) in [
            ("seg9.m4s", "seg10.m4s", Some((4, 1))),
            ("v/00099-a.ts", "v/00100-a.ts", Some((5, 1))),
            ("a1b1.ts", "a2b1.ts", Some((5, 1))),
            ("t90000.m4s?x=1", "t180000.m4s?x=1", Some((8, 90_000))),
            ("9", "8", Some((0, -1))),
            ("099", "100", Some((0, 1))),
            ("a", "b", None),
            ("a1", "a1b", None),
            ("a1b1", "a2b2", None),
            ("0009", "10", None),
            ("9999999999999999999", "9999999999999999998", None),
        ] {
            let found = difference(from, to);
            assert_eq!(found, expected, "{from} {to}");
            if let Some((behind, by)) = found {
                let mut text = from.to_owned();
                step(&mut text, behind, by);
                assert_eq!(text, to);
                assert!(leads_to(from, behind, by, to));
                assert!(!leads_to(from, behind, by + 1, to));
            }
        }
    }

    #[test]
    fn nothing_happens_where_there_is_no_number() {
        for (text, behind, by) in [
            ("abc", 0, 1),
            ("a1", 5, 1),
            ("", 0, 1),
            ("a0", 0, -1),
            ("1000000000000000001", 0, 1),
        ] {
            let mut url = text.to_owned();
            step(&mut url, behind, by);
            assert_eq!(url, text);
            assert!(!leads_to(text, behind, by, "x"));
            assert!(!leads_to(text, behind, by, "1000000000000000002"));
        }
    }

    #[test]
    fn a_last_digit_is_a_step_like_any_other() {
        for from in 0..30 {
            for by in -12..=12 {
                for behind in 0..3 {
                    let text = |n: i64| format!("a/{n}{}", &".t"[..behind]);
                    let mut url = text(from);
                    step(&mut url, behind, by);
                    for to in 0..50 {
                        let leads = leads_to(&text(from), behind, by, &text(to));
                        assert_eq!(leads, from + by >= 0 && url == text(to), "{from} {by} {to}");
                    }
                }
            }
        }
    }
}
