//! The spatial dimension of media fragments (W3C, *Media Fragments URI 1.0*, 4.2.2): `#xywh=160,90,160,90`.

use super::Area;
use crate::text::webvtt::decimal;

/// The part of an image that a URL's fragment names: the last `xywh` counts. `Err` if that is malformed.
pub(super) fn area(fragment: &str) -> Result<Area, ()> {
    let named = fragment
        .split('&')
        .rev()
        .find_map(|pair| pair.trim().strip_prefix("xywh="));
    match named {
        Some(value) => parse(value).ok_or(()),
        None => Ok(Area::Whole),
    }
}

fn parse(value: &str) -> Option<Area> {
    if let Some(value) = value.strip_prefix("percent:") {
        let [x, y, width, height] = four(value, 100.0)?;
        return (width > 0.0 && height > 0.0).then_some(Area::Percent { x, y, width, height });
    }
    let value = value.strip_prefix("pixel:").unwrap_or(value);
    let numbers = four(value, f64::from(i32::MAX))?;
    let [x, y, width, height] = numbers.map(|n| n as u32);
    let are_whole = numbers == [x, y, width, height].map(f64::from);
    (are_whole && width > 0 && height > 0).then_some(Area::Pixels { x, y, width, height })
}

/// Four numbers from 0 to `max`.
fn four(text: &str, max: f64) -> Option<[f64; 4]> {
    let mut four = [0.0; 4];
    let mut count = 0;
    for number in text.split(',') {
        *four.get_mut(count)? = decimal(number.trim_ascii()).filter(|n| *n <= max)?;
        count += 1;
    }
    (count == 4).then_some(four)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        let pixels = Ok(Area::Pixels {
            x: 1,
            y: 2,
            width: 3,
            height: 4,
        });
        assert_eq!(area("xywh=1,2,3,4"), pixels);
        assert_eq!(area("xywh=pixel:1,2,3,4"), pixels);
        assert_eq!(area("t=10&xywh=9,9,9,9&xywh=1, 2, 3, 4"), pixels);
        let percent = Area::Percent {
            x: 25.0,
            y: 12.5,
            width: 50.0,
            height: 50.0,
        };
        assert_eq!(area("xywh=percent:25,12.5,50,50"), Ok(percent));
        assert_eq!(area(""), Ok(Area::Whole));
        assert_eq!(area("t=5"), Ok(Area::Whole));
    }

    #[test]
    fn what_is_malformed() {
        for bad in [
            "xywh=",
            "xywh=1,2,3",
            "xywh=1,2,3,4,5",
            "xywh=1,2,0,4",
            "xywh=-1,2,3,4",
            "xywh=1.5,2,3,4",
            "xywh=4294967295,0,1,1",
            "xywh=percent:0,0,101,1",
            "xywh=percent:NaN,0,1,1",
            "xywh=em:1,2,3,4",
        ] {
            assert_eq!(area(bad), Err(()), "{bad}");
        }
    }
}
