//! Decimal numbers of texts. The standard library's reader of floats is always right to the last bit, for which it brings a table
//! of 10 KB that no compression makes smaller.

/// Powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
/// Beyond this a float is infinite or zero.
const MAX_EXPONENT: i32 = 400;
/// As many digits fit into the integer that is scaled.
const MAX_DIGITS: i32 = 19;

/// A number with at least one digit, with or without a sign, a fraction and an exponent. Up to 15 digits and powers of ten to the
/// 22nd it is the nearest float; beyond that it may be a few units of the last place off.
pub(crate) fn float(text: &str) -> Option<f64> {
    let (negative, text) = sign(text.as_bytes());
    let mut digits: u64 = 0;
    let (mut count, mut exponent, mut seen, mut point) = (0, 0_i32, false, false);
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        match *byte {
            b'.' if !point => point = true,
            b'0'..=b'9' => {
                seen = true;
                if count < MAX_DIGITS {
                    digits = digits * 10 + u64::from(*byte - b'0');
                    count += i32::from(digits > 0);
                    exponent = exponent.saturating_sub(i32::from(point));
                } else {
                    exponent = exponent.saturating_add(i32::from(!point));
                }
            }
            b'e' | b'E' if seen => {
                exponent = exponent.saturating_add(integer(after)?);
                break;
            }
            _ => return None,
        }
        rest = after;
    }
    if !seen {
        return None;
    }
    let mut number = digits as f64;
    let mut left = exponent.clamp(-MAX_EXPONENT, MAX_EXPONENT);
    while left != 0 {
        let step = left.unsigned_abs().min(22) as usize;
        let power = POWERS.get(step).copied().unwrap_or(1.0);
        if left > 0 {
            number *= power;
            left -= step as i32;
        } else {
            number /= power;
            left += step as i32;
        }
    }
    Some(if negative { -number } else { number })
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// Of an exponent.
fn integer(text: &[u8]) -> Option<i32> {
    let (negative, digits) = sign(text);
    let mut number: i32 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.saturating_mul(10).saturating_add(i32::from(digit));
    }
    (!digits.is_empty()).then_some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_standard_library_reads_is_read_and_nothing_else() {
        for text in [
            "0",
            "-0",
            "+1",
            "1.",
            ".5",
            "12.5e3",
            "1E-7",
            "1e+22",
            "59.94",
            "0.1",
            "1e999",
            "-1e999",
            "1e-999",
            "4.",
            "00012",
            "123456789012345",
            "1e99999999999999999999",
            "0e99999999999999999999",
            "0.000000000000000000001",
        ] {
            let (ours, theirs) = (float(text).unwrap(), text.parse::<f64>().unwrap());
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{text}");
        }
        for text in [
            "", ".", "-", "e1", "1e", "1e+", "1.2.3", "1e1.5", " 1", "1 ", "inf", "NaN", "0x1", "1_0", "--1",
            "½",
        ] {
            assert_eq!(float(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn short_numbers_are_exact(digits in 0_u64..1_000_000_000_000_000, exponent in -22..23, negative: bool) {
            let text = format!("{}{digits}e{exponent}", if negative { "-" } else { "" });
            prop_assert_eq!(float(&text).unwrap().to_bits(), text.parse::<f64>().unwrap().to_bits());
        }

        #[test]
        fn long_numbers_are_nearly_exact(number in -1e300..1e300) {
            for text in [format!("{number}"), format!("{number:e}"), format!("{:e}", number / 1e290)] {
                let (ours, theirs) = (float(&text).unwrap(), text.parse::<f64>().unwrap());
                prop_assert!((ours - theirs).abs() <= theirs.abs() * 1e-14, "{} {}", ours, theirs);
            }
        }

        #[test]
        fn any_text_is_survived(text in "[-+0-9.eE]{0,40}") {
            prop_assert_eq!(float(&text).is_some(), text.parse::<f64>().is_ok());
        }
    }
}
