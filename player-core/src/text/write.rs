//! Cue settings and times as text.

use super::webvtt::{Align, Edge, LinePosition, Settings, Side, Vertical};
use crate::number::write_integer;
use crate::time::MediaTime;

/// Beyond it a line is nowhere.
const MAX: f64 = 1e6;

/// Adds a time; none is before zero.
pub(super) fn timestamp(out: &mut String, time: MediaTime) {
    let mut millis = time.as_millis().max(0).unsigned_abs();
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    for part in [hours, minutes] {
        two_digits(out, part);
        out.push(':');
    }
    two_digits(out, millis / 1000 % 60);
    out.push('.');
    millis %= 1000;
    out.push(digit(millis / 100));
    two_digits(out, millis % 100);
}

fn two_digits(out: &mut String, value: u64) {
    if value < 10 {
        out.push('0');
    }
    write_integer(out, value);
}

/// Adds a number of at most three decimals. Floats of the standard library would bring tables of their own.
pub(super) fn number(out: &mut String, value: f64) {
    let thousandths = libm::round(value.clamp(-MAX, MAX) * 1000.0) as i64;
    if thousandths < 0 {
        out.push('-');
    }
    let thousandths = thousandths.unsigned_abs();
    write_integer(out, thousandths / 1000);
    let mut rest = thousandths % 1000;
    if rest > 0 {
        out.push('.');
    }
    while rest > 0 {
        out.push(digit(rest / 100));
        rest = rest % 100 * 10;
    }
}

fn digit(value: u64) -> char {
    char::from(b'0' + (value % 10) as u8)
}

/// All settings but the region that are not what they are by default, in one order.
pub(super) fn settings(settings: &Settings<'_>) -> String {
    let mut out = String::new();
    let name = |out: &mut String, name: &str| {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(name);
    };
    match settings.vertical {
        Some(Vertical::LeftToRight) => name(&mut out, "vertical:lr"),
        Some(Vertical::RightToLeft) => name(&mut out, "vertical:rl"),
        None => {}
    }
    if let Some(line) = settings.line {
        name(&mut out, "line:");
        match line {
            LinePosition::Number(line) => number(&mut out, line),
            LinePosition::Percent(line) => percent(&mut out, line),
        }
        out.push_str(match settings.line_align {
            Edge::Start => "",
            Edge::Center => ",center",
            Edge::End => ",end",
        });
    }
    if let Some(position) = settings.position {
        name(&mut out, "position:");
        percent(&mut out, position);
        out.push_str(match settings.position_align {
            None => "",
            Some(Side::LineLeft) => ",line-left",
            Some(Side::Center) => ",center",
            Some(Side::LineRight) => ",line-right",
        });
    }
    if settings.size < 100.0 {
        name(&mut out, "size:");
        percent(&mut out, settings.size);
    }
    match settings.align {
        Align::Center => {}
        Align::End => name(&mut out, "align:end"),
        Align::Left => name(&mut out, "align:left"),
        Align::Right => name(&mut out, "align:right"),
        Align::Start => name(&mut out, "align:start"),
    }
    out
}

fn percent(out: &mut String, value: f64) {
    number(out, value);
    out.push('%');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_decimals_as_they_need() {
        for (value, text) in [
            (0.0, "0"),
            (-1.0, "-1"),
            (12.5, "12.5"),
            (33.3333, "33.333"),
            (99.9996, "100"),
            (0.05, "0.05"),
            (1e300, "1000000"),
            (f64::NAN, "0"),
        ] {
            let mut out = String::new();
            number(&mut out, value);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn settings_are_read_as_they_were_written() {
        for text in [
            "",
            "vertical:rl line:-1,end position:12.5%,line-right size:35% align:left",
            "vertical:lr line:50%,center position:3.25%,center align:start",
            "line:0 position:100%,line-left align:right",
            "size:0% align:end",
        ] {
            let read = Settings::parse(text, &[], &mut |odd| panic!("{odd}"));
            assert_eq!(settings(&read), text);
        }
        let read = Settings::parse("align:center size:100.0% line:1.50", &[], &mut |_| {});
        assert_eq!(settings(&read), "line:1.5");
    }
}
