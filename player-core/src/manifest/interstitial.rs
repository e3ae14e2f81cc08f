//! HLS interstitials (rfc8216bis, appendix D): other presentations, mostly advertisements, that date ranges put into this one.

use super::json::Json;
use super::{ManifestError, as_text};
use crate::number;
use crate::presentation::{DateRange, Warning};
use crate::time::{MediaTime, WallTime};
use crate::url;

/// `CLASS` of the date ranges that are interstitials.
pub const CLASS: &str = "com.apple.hls.interstitial";
/// The largest asset list that is read, bytes.
pub const MAX_BYTES: u64 = 1024 * 1024;
/// The most assets of a list that are read.
pub const MAX_ASSETS: usize = 100;

const MAX_WARNINGS: usize = 100;

/// An interstitial.
#[derive(Clone, Debug, PartialEq)]
pub struct Interstitial {
    /// Id of the date range.
    pub id: String,
    /// Where it is scheduled; `None` if the date range does not say.
    pub start: Option<WallTime>,
    /// What the date range says of its duration: the declared one, else the planned one.
    pub duration: Option<MediaTime>,
    /// What is played.
    pub assets: Assets,
    /// Where to go on, from where it is scheduled (`X-RESUME-OFFSET`); may be negative. `None`: see [`Self::resume_after`].
    pub resume_offset: Option<MediaTime>,
    /// To be ended after so long (`X-PLAYOUT-LIMIT`).
    pub playout_limit: Option<MediaTime>,
    /// To begin at the segment boundary next to its start (`X-SNAP` has `OUT`).
    pub snap_out: bool,
    /// To go on at the segment boundary next to the point of resumption (`X-SNAP` has `IN`).
    pub snap_in: bool,
    /// One may not seek forward in it, nor play it faster (`X-RESTRICT` has `SKIP`).
    pub no_skip: bool,
    /// One may not seek past it without having played it (`X-RESTRICT` has `JUMP`).
    pub no_jump: bool,
    /// To be played before the first picture (`CUE` has `PRE`).
    pub pre: bool,
    /// To be played after the end (`CUE` has `POST`).
    pub post: bool,
    /// To be played at most once (`CUE` has `ONCE`).
    pub once: bool,
    /// Others may be shown something else (`X-CONTENT-MAY-VARY`).
    pub may_vary: bool,
    /// It takes up room on the timeline (`X-TIMELINE-OCCUPIES` is `RANGE`), not a point.
    pub occupies_range: bool,
    /// The timeline does not tell it from the content (`X-TIMELINE-STYLE` is `PRIMARY`).
    pub looks_primary: bool,
    /// The button to skip it.
    pub skip_control: SkipControl,
}

/// What an interstitial plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assets {
    /// What a list says (`X-ASSET-LIST`): absolute URL, to be read by [`parse_assets`].
    List(String),
    /// A presentation (`X-ASSET-URI`): absolute URL.
    One(String),
}

/// When there is a button to skip an interstitial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkipControl {
    /// It is shown after so long (`X-SKIP-CONTROL-OFFSET`); `None` if there is no button.
    pub offset: Option<MediaTime>,
    /// It is shown for so long (`X-SKIP-CONTROL-DURATION`); `None` if to the end.
    pub duration: Option<MediaTime>,
    /// Key of its text (`X-SKIP-CONTROL-LABEL-ID`); empty if it has the usual one.
    pub label: String,
}

/// A list of assets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssetList {
    /// To be played one after the other; an empty list is to be skipped.
    pub assets: Vec<Asset>,
    /// Overrides the members that it has of [`Interstitial::skip_control`].
    pub skip_control: SkipControl,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

/// A presentation in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Absolute URL of its playlist.
    pub url: String,
    /// Its duration, if declared.
    pub duration: Option<MediaTime>,
}

impl Interstitial {
    /// What a date range of a playlist at `base` schedules. `None` if it is of another [`CLASS`] or names nothing that may be fetched.
    /// What is not understood counts as not there.
    pub fn from_date_range(range: &DateRange, base: &str) -> Option<Self> {
        (range.class == CLASS).then_some(())?;
        let attribute = |name: &str| {
            let found = range.attributes.iter().find(|(n, _)| n == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let has = |name: &str, item: &str| listed(attribute(name), item);
        let resolve = |name: &str| match attribute(name) {
            "" => None,
            reference => url::resolve(base, reference).ok(),
        };
        let assets = match resolve("X-ASSET-URI") {
            Some(url) => Assets::One(url),
            None => Assets::List(resolve("X-ASSET-LIST")?),
        };
        Some(Self {
            id: range.id.clone(),
            start: range.start,
            duration: range.duration.or(range.planned_duration),
            assets,
            resume_offset: seconds(attribute("X-RESUME-OFFSET")),
            playout_limit: seconds(attribute("X-PLAYOUT-LIMIT")).filter(not_negative),
            snap_out: has("X-SNAP", "OUT"),
            snap_in: has("X-SNAP", "IN"),
            no_skip: has("X-RESTRICT", "SKIP"),
            no_jump: has("X-RESTRICT", "JUMP"),
            pre: listed(&range.cue, "PRE"),
            post: listed(&range.cue, "POST"),
            once: listed(&range.cue, "ONCE"),
            may_vary: attribute("X-CONTENT-MAY-VARY") != "NO",
            occupies_range: attribute("X-TIMELINE-OCCUPIES") == "RANGE",
            looks_primary: attribute("X-TIMELINE-STYLE") == "PRIMARY",
            skip_control: SkipControl {
                offset: seconds(attribute("X-SKIP-CONTROL-OFFSET")).filter(not_negative),
                duration: seconds(attribute("X-SKIP-CONTROL-DURATION")).filter(not_negative),
                label: attribute("X-SKIP-CONTROL-LABEL-ID").to_owned(),
            },
        })
    }

    /// Where to go on, from where it is scheduled, when its assets were `played` so long: as declared, else as long as it may have
    /// lasted.
    pub fn resume_after(&self, played: MediaTime) -> MediaTime {
        let limit = self.playout_limit.unwrap_or(MediaTime::MAX);
        self.resume_offset.unwrap_or(played.min(limit))
    }
}

impl SkipControl {
    /// This one, with what a list says in its place.
    pub fn overridden_by(&self, list: &Self) -> Self {
        let label = if list.label.is_empty() {
            &self.label
        } else {
            &list.label
        };
        Self {
            offset: list.offset.or(self.offset),
            duration: list.duration.or(self.duration),
            label: label.clone(),
        }
    }
}

/// Reads a list of assets that was fetched from `base`.
///
/// # Errors
/// If it is not JSON, has no `ASSETS`, or is too long.
pub fn parse_assets(bytes: &[u8], base: &str) -> Result<AssetList, ManifestError> {
    let text = as_text(bytes)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(ManifestError::Limit {
            line: 1,
            what: "the asset list is too long",
            limit: MAX_BYTES as usize,
        });
    }
    let mut json = Json::new(text);
    let mut list = AssetList::default();
    let mut found = false;
    json.object(&mut |json, key| {
        match key {
            "ASSETS" if json.kind() == '[' => {
                found = true;
                json.array(&mut |json| list.asset(json, base))?;
            }
            "SKIP-CONTROL" if json.kind() == '{' => list.skip_control = skip_control(json)?,
            _ => json.skip()?,
        }
        Ok(())
    })?;
    json.end()?;
    if !found {
        return Err(json.error("there is no list of ASSETS"));
    }
    Ok(list)
}

impl AssetList {
    fn asset(&mut self, json: &mut Json<'_>, base: &str) -> Result<(), ManifestError> {
        let (mut url, mut duration) = (None, None);
        if json.kind() == '{' {
            json.object(&mut |json, key| {
                match key {
                    "URI" => {
                        url = json
                            .string_or_skip()?
                            .and_then(|uri| url::resolve(base, &uri).ok())
                    }
                    "DURATION" => duration = time(json)?,
                    _ => json.skip()?,
                }
                Ok(())
            })?;
        } else {
            json.skip()?;
        }
        match url {
            Some(url) if self.assets.len() < MAX_ASSETS => self.assets.push(Asset { url, duration }),
            _ if self.warnings.len() < MAX_WARNINGS => self.warnings.push(Warning {
                line: json.line(),
                message: "an asset has no URI that may be fetched, or is one too many".to_owned(),
            }),
            _ => {}
        }
        Ok(())
    }
}

fn skip_control(json: &mut Json<'_>) -> Result<SkipControl, ManifestError> {
    let mut control = SkipControl::default();
    json.object(&mut |json, key| {
        match key {
            "OFFSET" => control.offset = time(json)?,
            "DURATION" => control.duration = time(json)?,
            "LABEL-ID" => control.label = json.string_or_skip()?.unwrap_or_default(),
            _ => json.skip()?,
        }
        Ok(())
    })?;
    Ok(control)
}

fn time(json: &mut Json<'_>) -> Result<Option<MediaTime>, ManifestError> {
    let seconds = json.number_or_skip()?;
    Ok(seconds.and_then(sane).filter(not_negative))
}

fn seconds(text: &str) -> Option<MediaTime> {
    number::float(text.trim()).and_then(sane)
}

/// No interstitial is thirty years long.
fn sane(seconds: f64) -> Option<MediaTime> {
    (-1e9..1e9)
        .contains(&seconds)
        .then(|| MediaTime::from_secs_f64(seconds))
}

fn not_negative(time: &MediaTime) -> bool {
    *time >= MediaTime::ZERO
}

/// Whether a list, separated by commas, has an item.
fn listed(list: &str, item: &str) -> bool {
    list.split(',').any(|i| i.trim() == item)
}
