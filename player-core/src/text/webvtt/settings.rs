//! Where cues are shown: cue settings (section 6.3 of the specification) and regions (6.2).

use serde::{Deserialize, Serialize};

use crate::number;

/// Where a cue is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings<'a> {
    /// Id of the region that it is shown in; empty if none.
    pub region: &'a str,
    /// How its text runs; `None` if horizontally.
    pub vertical: Option<Vertical>,
    /// Its position across the lines; `None` if the renderer decides.
    pub line: Option<LinePosition>,
    /// What of the cue's box is at `line`.
    pub line_align: Edge,
    /// Its position along the lines, percent; `None` if the renderer decides by `align`.
    pub position: Option<f64>,
    /// What of the cue's box is at `position`; `None` if the renderer decides by `align`.
    pub position_align: Option<Side>,
    /// Its size along the lines, percent of the video.
    pub size: f64,
    /// How its text is aligned.
    pub align: Align,
}

/// The direction in which lines follow each other, if they are vertical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vertical {
    /// `lr`.
    LeftToRight,
    /// `rl`.
    RightToLeft,
}

/// A position across the lines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinePosition {
    /// Number of a line, from 0, or from the end if negative (snap-to-lines).
    Number(f64),
    /// Percent of the video.
    Percent(f64),
}

/// A part of the cue's box, across the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edge {
    /// `center`.
    Center,
    /// `end`.
    End,
    /// `start`.
    #[default]
    Start,
}

/// A part of the cue's box, along the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `center`.
    Center,
    /// `line-left`.
    LineLeft,
    /// `line-right`.
    LineRight,
}

/// Alignment of text in the cue's box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// `center`.
    #[default]
    Center,
    /// `end`.
    End,
    /// `left`.
    Left,
    /// `right`.
    Right,
    /// `start`.
    Start,
}

/// A part of the video that cues are shown in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Its id; empty if it has none.
    pub id: String,
    /// Its width, percent of the video.
    pub width: f64,
    /// How many lines are visible.
    pub lines: u32,
    /// The point of the region that is at `viewport_anchor`: percent of its width and height.
    pub region_anchor: (f64, f64),
    /// A point of the video: percent of its width and height.
    pub viewport_anchor: (f64, f64),
    /// Its cues move up to make room for new ones.
    pub scroll_up: bool,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self {
            region: "",
            vertical: None,
            line: None,
            line_align: Edge::default(),
            position: None,
            position_align: None,
            size: 100.0,
            align: Align::default(),
        }
    }
}

impl Default for Region {
    fn default() -> Self {
        Self {
            id: String::new(),
            width: 100.0,
            lines: 3,
            region_anchor: (0.0, 100.0),
            viewport_anchor: (0.0, 100.0),
            scroll_up: false,
        }
    }
}

impl<'a> Settings<'a> {
    /// Reads what stands behind the times of a cue. `odd` is told each setting that is not understood.
    pub(in crate::text) fn parse(text: &'a str, regions: &[Region], odd: &mut dyn FnMut(&str)) -> Self {
        let mut settings = Self::default();
        for setting in text.split_ascii_whitespace() {
            if settings.set(setting, regions).is_none() {
                odd(setting);
            }
        }
        // A cue in a region has no place of its own.
        if settings.line.is_some() || settings.size != 100.0 || settings.vertical.is_some() {
            settings.region = "";
        }
        settings
    }

    fn set(&mut self, setting: &'a str, regions: &[Region]) -> Option<()> {
        let (name, value) = pair(setting)?;
        match name {
            "region" => {
                self.region = regions.iter().any(|region| region.id == value).then_some(value)?;
            }
            "vertical" => {
                self.vertical = Some(match value {
                    "lr" => Vertical::LeftToRight,
                    "rl" => Vertical::RightToLeft,
                    _ => return None,
                });
            }
            "line" => {
                let (at, align) = split(value);
                let at = match at.ends_with('%') {
                    true => LinePosition::Percent(percent(at)?),
                    false => LinePosition::Number(line_number(at)?),
                };
                self.line_align = match align {
                    None => self.line_align,
                    Some("start") => Edge::Start,
                    Some("center") => Edge::Center,
                    Some("end") => Edge::End,
                    Some(_) => return None,
                };
                self.line = Some(at);
            }
            "position" => {
                let (at, align) = split(value);
                let at = percent(at)?;
                self.position_align = match align {
                    None => self.position_align,
                    Some("line-left") => Some(Side::LineLeft),
                    Some("center") => Some(Side::Center),
                    Some("line-right") => Some(Side::LineRight),
                    Some(_) => return None,
                };
                self.position = Some(at);
            }
            "size" => self.size = percent(value)?,
            "align" => {
                self.align = match value {
                    "start" => Align::Start,
                    "center" => Align::Center,
                    "end" => Align::End,
                    "left" => Align::Left,
                    "right" => Align::Right,
                    _ => return None,
                };
            }
            _ => return None,
        }
        Some(())
    }
}

impl Region {
    /// Reads the lines of a region block. `odd` is told each setting that is not understood.
    pub(super) fn parse(text: &str, odd: &mut dyn FnMut(&str)) -> Self {
        let mut region = Self::default();
        for setting in text.split_ascii_whitespace() {
            if region.set(setting).is_none() {
                odd(setting);
            }
        }
        region
    }

    fn set(&mut self, setting: &str) -> Option<()> {
        let (name, value) = pair(setting)?;
        match name {
            "id" => value.clone_into(&mut self.id),
            "width" => self.width = percent(value)?,
            "lines" => {
                let digits = value.bytes().all(|b| b.is_ascii_digit());
                self.lines = value.parse().ok().filter(|_| digits)?;
            }
            "regionanchor" => self.region_anchor = anchor(value)?,
            "viewportanchor" => self.viewport_anchor = anchor(value)?,
            "scroll" => self.scroll_up = (value == "up").then_some(true)?,
            _ => return None,
        }
        Some(())
    }
}

/// Name and value, neither empty.
fn pair(setting: &str) -> Option<(&str, &str)> {
    setting
        .split_once(':')
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
}

/// A value, and the alignment behind a comma.
fn split(value: &str) -> (&str, Option<&str>) {
    match value.split_once(',') {
        Some((at, align)) => (at, Some(align)),
        None => (value, None),
    }
}

fn anchor(value: &str) -> Option<(f64, f64)> {
    let (x, y) = value.split_once(',')?;
    Some((percent(x)?, percent(y)?))
}

/// `12.5%`, from 0 to 100.
fn percent(text: &str) -> Option<f64> {
    decimal(text.strip_suffix('%')?).filter(|n| *n <= 100.0)
}

fn line_number(text: &str) -> Option<f64> {
    match text.strip_prefix('-') {
        Some(text) => decimal(text).map(|n| -n),
        None => decimal(text),
    }
}

/// Digits, and perhaps a dot between them.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    (digits(whole) && digits(fraction)).then_some(())?;
    number::float(text).filter(|n| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Settings<'_>, Vec<String>) {
        let regions = [Region {
            id: "a".into(),
            ..Region::default()
        }];
        let mut odd = Vec::new();
        let settings = Settings::parse(text, &regions, &mut |s| odd.push(s.to_owned()));
        (settings, odd)
    }

    #[test]
    fn every_setting() {
        let (settings, odd) =
            read(" vertical:rl\tline:-1,end position:12.5%,line-right size:35% align:left ");
        assert_eq!(odd, [""; 0]);
        let expected = Settings {
            vertical: Some(Vertical::RightToLeft),
            line: Some(LinePosition::Number(-1.0)),
            line_align: Edge::End,
            position: Some(12.5),
            position_align: Some(Side::LineRight),
            size: 35.0,
            align: Align::Left,
            region: "",
        };
        assert_eq!(settings, expected);
        assert_eq!(read("line:50%").0.line, Some(LinePosition::Percent(50.0)));
    }

    #[test]
    fn what_is_malformed_is_told_and_has_no_effect() {
        for bad in [
            "x",
            ":",
            "size:",
            ":5%",
            "size:101%",
            "size:5",
            "size:.5%",
            "size:5.%",
            "size:1e1%",
            "size:-5%",
            "size:NaN%",
            "position:5",
            "position:5%,left",
            "line:--1",
            "line:1-",
            "line:1,middle",
            "line:inf",
            "line:1.2.3",
            "align:middle",
            "vertical:tb",
            "region:b",
            "speed:1",
        ] {
            let (settings, odd) = read(bad);
            assert_eq!(settings, Settings::default(), "{bad}");
            assert_eq!(odd, [bad]);
        }
        let long = format!("line:{}", "9".repeat(400));
        assert_eq!(read(&long).0.line, None);
    }

    #[test]
    fn a_cue_with_a_place_of_its_own_is_in_no_region() {
        assert_eq!(read("region:a").0.region, "a");
        for place in ["line:1", "size:50%", "vertical:lr"] {
            assert_eq!(read(&format!("region:a {place}")).0.region, "", "{place}");
        }
    }

    #[test]
    fn regions() {
        let mut odd = Vec::new();
        let text = "id:fred width:40%\nlines:4 regionanchor:0%,50.5% viewportanchor:10%,90%\nscroll:up lines:+5 scroll:down depth:1";
        let region = Region::parse(text, &mut |s| odd.push(s.to_owned()));
        let expected = Region {
            id: "fred".into(),
            width: 40.0,
            lines: 4,
            region_anchor: (0.0, 50.5),
            viewport_anchor: (10.0, 90.0),
            scroll_up: true,
        };
        assert_eq!(region, expected);
        assert_eq!(odd, ["lines:+5", "scroll:down", "depth:1"]);
    }
}
