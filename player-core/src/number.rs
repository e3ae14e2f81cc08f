//! Decimal numbers of texts. The standard library's reader of floats is always right to the last bit, for which it brings a table
//! of 10 KB that no compression makes smaller.

mod shortest;

use shortest::Binary;

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

/// Adds a number without a sign.
pub(crate) fn write_integer(out: &mut String, value: u64) {
    if value >= 10 {
        write_integer(out, value / 10);
    }
    out.push(char::from(b'0' + (value % 10) as u8));
}

/// Adds a float as JSON: the shortest number that is read as it, `null` if there is none.
pub(crate) fn write_f64(out: &mut String, value: f64) {
    let bits = value.to_bits();
    let exponent = (bits >> 52) as i32 & 0x7ff;
    write_float(
        out,
        value.is_sign_negative(),
        exponent,
        bits & ((1 << 52) - 1),
        (52, 0x7ff),
        -5,
    );
}

/// As [`write_f64`]; fewer digits tell it from its neighbours.
pub(crate) fn write_f32(out: &mut String, value: f32) {
    let bits = value.to_bits();
    let exponent = (bits >> 23) as i32 & 0xff;
    write_float(
        out,
        value.is_sign_negative(),
        exponent,
        (bits & ((1 << 23) - 1)).into(),
        (23, 0xff),
        -6,
    );
}

/// `(bits, top)`: width of the fraction, and the exponent of what is no number. From 10 to the power of `least` on there is no exponent.
fn write_float(
    out: &mut String,
    negative: bool,
    exponent: i32,
    fraction: u64,
    (bits, top): (i32, i32),
    least: i32,
) {
    if exponent == top {
        return out.push_str("null");
    }
    if negative {
        out.push('-');
    }
    if exponent == 0 && fraction == 0 {
        return out.push_str("0.0");
    }
    let binary = Binary {
        mantissa: fraction | u64::from(exponent > 0) << bits,
        exponent: exponent.max(1) - top / 2 - bits,
        uneven: fraction == 0 && exponent > 1,
    };
    let mut digits = Vec::new();
    let mut point = binary.digits(&mut digits);
    // `1e16` for the one, `1e13` for the other.
    let most = least + if bits == 52 { 21 } else { 19 };
    let mut power = None;
    if !(least < point && point <= most) {
        power = Some(point - 1);
        point = 1;
    }
    if point <= 0 {
        out.push_str("0.");
    }
    for _ in point..0 {
        out.push('0');
    }
    for (i, digit) in digits.iter().enumerate() {
        if i as i32 == point && i > 0 {
            out.push('.');
        }
        out.push(char::from(*digit));
    }
    for _ in digits.len() as i32..point {
        out.push('0');
    }
    match power {
        Some(power) => {
            out.push('e');
            out.push(if power < 0 { '-' } else { '+' });
            write_integer(out, power.unsigned_abs().into());
        }
        None if digits.len() as i32 <= point => out.push_str(".0"),
        None => {}
    }
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

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    /// Returns what serde_json says, and what we say.
    fn both(value: f64) -> [String; 2] {
        let theirs = serde_json::to_string(&value).unwrap();
        [theirs, written(|out| write_f64(out, value))]
    }

    fn both_single(value: f32) -> [String; 2] {
        let theirs = serde_json::to_string(&value).unwrap();
        [theirs, written(|out| write_f32(out, value))]
    }

    #[test]
    fn floats_are_written_as_serde_json_writes_them() {
        let mut values = vec![
            0.0,
            0.1,
            1.0,
            2.5,
            0.3,
            5e-324,
            f64::MAX,
            f64::MIN_POSITIVE,
            f64::NAN,
            f64::INFINITY,
        ];
        values.extend((-1074..1024).map(|power| libm::ldexp(1.0, power)));
        values.extend((-323..309).map(|power| format!("1e{power}").parse::<f64>().unwrap()));
        values.extend((0..20).map(|power| 123_456_789.0 / libm::exp10(f64::from(power))));
        for value in values {
            for value in [value, -value, value.next_up(), value.next_down()] {
                let [theirs, ours] = both(value);
                assert_eq!(ours, theirs);
                let [theirs, ours] = both_single(value as f32);
                assert_eq!(ours, theirs);
            }
        }
    }

    proptest! {
        #[test]
        fn any_float_is_written_as_serde_json_writes_it(bits: u64, few in -1_000_000..1_000_000_i32, decimals in 0..9) {
            let short = f64::from(few) / libm::exp10(f64::from(decimals));
            for value in [f64::from_bits(bits), short] {
                let [theirs, ours] = both(value);
                prop_assert_eq!(ours, theirs);
            }
            for value in [f32::from_bits(bits as u32), short as f32] {
                let [theirs, ours] = both_single(value);
                prop_assert_eq!(ours, theirs);
            }
        }

        #[test]
        fn integers_are_written_as_they_are(value: u64) {
            prop_assert_eq!(written(|out| write_integer(out, value)), value.to_string());
        }

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
