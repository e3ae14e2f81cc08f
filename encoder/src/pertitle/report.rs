//! What an analysis found, as JSON, a plot and a page.

use std::io;

use serde::{Deserialize, Serialize};

use super::hull::{Point, delta_rate, frontier, kbps_at, quality_at};
use super::stretches::Stretch;
use super::{Asked, html, plot};
use crate::encode::PRESETS;
use crate::error::EncodeError;
use crate::ladder::{Rung, check_name};
use crate::quality::Method;
use crate::storage::Output;
use crate::timing::FrameRate;

/// Numbers are rounded, so that they are the same after a trip through JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    version: u32,
    pub(super) asked: Asked,
    /// How quality was measured.
    pub(super) method: Method,
    /// Every how many-th frame was.
    pub(super) measured_every: u64,
    /// Pixels that quality was measured at.
    pub(super) display: (u32, u32),
    pub(super) stretches: Vec<Sampled>,
    /// What the trial encodings came to.
    pub(super) points: Vec<Point>,
    /// The best that can be had of all sizes, lowest bitrate first.
    pub(super) hull: Vec<Point>,
    /// The ladder.
    pub(super) rungs: Vec<Chosen>,
    /// The fixed ladder on the same stretches.
    pub(super) fixed: Vec<Fixed>,
    pub(super) saving: Saving,
}

/// Part of the film that was encoded on trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sampled {
    pub(super) start_s: f64,
    pub(super) duration_s: f64,
    /// The part of the film that it stands for, 0 to 1.
    pub(super) weight: f64,
}

/// A rung of the ladder, with what it is expected to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) crf: f64,
    /// Mean.
    pub(super) kbps: f64,
    pub(super) cap_kbps: u32,
    pub(super) quality: f64,
}

/// A rung of the fixed ladder, as it was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fixed {
    pub(super) name: String,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) target_kbps: u32,
    pub(super) kbps: f64,
    pub(super) quality: f64,
    /// What the best of the sizes takes for the same quality; none where no trial had it.
    pub(super) same_quality_kbps: Option<f64>,
    /// 0.4 where that is 40 % less.
    pub(super) saving: Option<f64>,
}

/// How much fewer bits the best of the sizes takes at each quality than the fixed ladder; 0.4 is 40 % less.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Saving {
    /// At the fixed rungs' qualities, each rung counting the same.
    pub(super) mean: Option<f64>,
    /// Over all qualities that both have (Bjøntegaard).
    pub(super) delta_rate: Option<f64>,
    /// The sum of the fixed rungs' bits against the sum of the best sizes' at the same qualities.
    pub(super) sum: Option<f64>,
    /// What all rungs together take: the chosen ones, and the fixed.
    pub(super) chosen_total_kbps: f64,
    pub(super) fixed_total_kbps: f64,
}

/// Everything that a report is made of.
pub(super) struct Findings<'a> {
    pub(super) asked: &'a Asked,
    pub(super) rate: FrameRate,
    pub(super) display: &'a Rung,
    pub(super) method: Method,
    pub(super) stride: u64,
    pub(super) stretches: &'a [Stretch],
    pub(super) points: &'a [Point],
    pub(super) hull: &'a [Point],
    pub(super) frontier: &'a [Point],
    pub(super) chosen: &'a [Point],
    pub(super) rungs: &'a [Rung],
    pub(super) fixed: &'a [Rung],
    pub(super) fixed_points: &'a [Point],
}

impl Report {
    pub(super) fn new(findings: Findings<'_>) -> Self {
        let rate = findings.rate;
        let fixed: Vec<Fixed> = findings
            .fixed
            .iter()
            .zip(findings.fixed_points)
            .map(|(rung, point)| {
                let same = kbps_at(findings.frontier, point.quality);
                Fixed {
                    name: rung.name.clone(),
                    width: rung.width,
                    height: rung.height,
                    target_kbps: rung.bitrate_kbps,
                    kbps: round(point.kbps),
                    quality: round(point.quality),
                    same_quality_kbps: same.map(round),
                    saving: same.map(|same| round(1.0 - same / point.kbps)),
                }
            })
            .collect();
        let compared = || {
            fixed
                .iter()
                .filter_map(|rung| Some((rung.kbps, rung.same_quality_kbps?)))
        };
        let sums = compared().fold((0.0, 0.0), |sums, (a, b)| (sums.0 + a, sums.1 + b));
        let saving = Saving {
            mean: crate::quality::mean(fixed.iter().filter_map(|rung| rung.saving)).map(round),
            // Of a ladder that has rungs worse than smaller ones, the good ones are compared.
            delta_rate: delta_rate(findings.frontier, &frontier(findings.fixed_points))
                .map(|delta| round(-delta)),
            sum: (sums.0 > 0.0).then(|| round(1.0 - sums.1 / sums.0)),
            chosen_total_kbps: round(findings.chosen.iter().map(|point| point.kbps).sum()),
            fixed_total_kbps: round(findings.fixed_points.iter().map(|point| point.kbps).sum()),
        };
        let stretches = findings.stretches.iter().map(|stretch| Sampled {
            start_s: round(rate.seconds(stretch.first_frame)),
            duration_s: round(rate.seconds(stretch.frames)),
            weight: round(stretch.weight),
        });
        let chosen = findings
            .chosen
            .iter()
            .zip(findings.rungs)
            .map(|(point, rung)| Chosen {
                name: rung.name.clone(),
                width: rung.width,
                height: rung.height,
                crf: round(point.crf),
                kbps: round(point.kbps),
                cap_kbps: rung.bitrate_kbps,
                quality: round(point.quality),
            });
        Self {
            version: 1,
            asked: findings.asked.clone(),
            method: findings.method,
            measured_every: findings.stride,
            display: (findings.display.width, findings.display.height),
            stretches: stretches.collect(),
            points: findings.points.iter().map(rounded).collect(),
            hull: findings.hull.iter().map(rounded).collect(),
            rungs: chosen.collect(),
            fixed,
            saving,
        }
    }

    /// Says what makes a report that was read one that cannot be shown.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Asked {
            ladder,
            preset,
            per_title,
            ..
        } = &self.asked;
        ladder.check()?;
        per_title.check().map_err(|error| error.to_string())?;
        if !PRESETS.contains(&preset.as_str()) {
            return Err(format!("no preset {preset:?}"));
        }
        let lengths = [
            self.stretches.len(),
            self.points.len(),
            self.hull.len(),
            self.rungs.len(),
            self.fixed.len(),
        ];
        if lengths.iter().any(|length| *length > MAX_ROWS) {
            return Err("a report of too much".to_owned());
        }
        let names = self.rungs.iter().map(|rung| &rung.name);
        let mut names = names.chain(self.fixed.iter().map(|rung| &rung.name));
        names.try_for_each(|name| check_name(name))?;
        let points = self.points.iter().chain(&self.hull);
        let points = points.flat_map(|point| {
            [
                (point.crf, MAX_CRF),
                (point.kbps, MAX_KBPS),
                (point.peak_kbps, MAX_KBPS),
                (point.quality, 100.0),
            ]
        });
        let rungs = self
            .rungs
            .iter()
            .flat_map(|rung| [(rung.crf, MAX_CRF), (rung.kbps, MAX_KBPS), (rung.quality, 100.0)]);
        let fixed = self.fixed.iter().flat_map(|rung| {
            let same = rung.same_quality_kbps.unwrap_or(0.0);
            [(rung.kbps, MAX_KBPS), (rung.quality, 100.0), (same, MAX_KBPS)]
        });
        let stretches = self.stretches.iter().flat_map(|stretch| {
            [
                (stretch.start_s, MAX_SECONDS),
                (stretch.duration_s, MAX_SECONDS),
                (stretch.weight, 1.0),
            ]
        });
        let totals = [self.saving.chosen_total_kbps, self.saving.fixed_total_kbps];
        let totals = totals.map(|total| (total, MAX_KBPS * MAX_ROWS as f64));
        let mut all = points.chain(rungs).chain(fixed).chain(stretches).chain(totals);
        let shares = [self.saving.mean, self.saving.delta_rate, self.saving.sum].into_iter();
        let shares = shares.chain(self.fixed.iter().map(|rung| rung.saving));
        match all.all(|(value, most)| (0.0..=most).contains(&value))
            && shares.flatten().all(|share| share.abs() <= MAX_KBPS)
        {
            true => Ok(()),
            false => Err("a report with numbers that nothing measures".to_owned()),
        }
    }

    /// What it was made by.
    pub(crate) fn asked(&self) -> &Asked {
        &self.asked
    }

    /// The hull's quality at a bitrate.
    pub(super) fn hull_quality(&self, kbps: f64) -> f64 {
        quality_at(&self.hull, kbps)
    }
}

/// Writes the report into a video's folder.
pub(crate) fn write(output: &dyn Output, report: &Report) -> Result<(), EncodeError> {
    let json = serde_json::to_vec_pretty(report).map_err(io::Error::from);
    let json = json.map_err(|error| EncodeError::unwritable(JSON_PATH.as_ref(), error))?;
    let svg = plot::svg(report);
    output.write(JSON_PATH, &json)?;
    output.write("analysis/report.svg", svg.as_bytes())?;
    output.write("analysis/report.html", html::page(report, &svg).as_bytes())
}

fn rounded(point: &Point) -> Point {
    Point {
        crf: round(point.crf),
        kbps: round(point.kbps),
        peak_kbps: round(point.peak_kbps),
        quality: round(point.quality),
        ..*point
    }
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// More trials than anybody waits for.
const MAX_ROWS: usize = 10_000;
const MAX_CRF: f64 = 63.0;
/// No picture takes as many.
const MAX_KBPS: f64 = 1e9;
const MAX_SECONDS: f64 = 1e9;
const JSON_PATH: &str = "analysis/report.json";
