//! Chooses the picture that represents the film.
//!
//! Pictures with fewer faults go first: black and flat ones, fades and dissolves, the neighbourhood of cuts, flashes, what is
//! dark, blurred, or mostly text. Among equals the score decides: detail, exposure, variety of light and colour, and how
//! many other pictures of the film look like it. The same measures always give the same choice.

use super::album::Tapped;
use super::features::Features;

/// A picture that may become the poster.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    /// Presentation time.
    pub(crate) time_ms: u64,
    /// What the picture there looks like.
    pub(crate) features: Features,
}

/// The best pictures, the best first; fewer than [`MOST`] for a short film, none only if there are no pictures.
pub(crate) fn rank(pictures: &[Tapped]) -> Vec<Candidate> {
    let faults = faults(pictures);
    let best = faults.iter().copied().min().unwrap_or(0);
    // Even the second best must not be much worse than the best.
    let valid = |index: &usize| faults.get(*index).is_some_and(|fault| *fault == best);
    let chosen = thin((0..pictures.len()).filter(valid).collect());
    let features: Vec<&Features> = chosen
        .iter()
        .filter_map(|index| pictures.get(*index))
        .map(|picture| &picture.features)
        .collect();
    let crowds: Vec<f64> = features.iter().map(|one| crowd(one, &features)).collect();
    let sharpest = quantile(features.iter().map(|features| features.sharpness), 0.9);
    let most = crowds.iter().copied().fold(0.0, f64::max).max(1e-9);
    let mut ranked: Vec<(f64, &Tapped)> = chosen
        .iter()
        .zip(&crowds)
        .filter_map(|(index, crowd)| {
            let picture = pictures.get(*index)?;
            Some((
                score(&picture.features, sharpest) * (0.4 + 0.6 * crowd / most),
                picture,
            ))
        })
        .collect();
    ranked.sort_by(|(a, first), (b, second)| b.total_cmp(a).then(first.time_ms.cmp(&second.time_ms)));
    ranked
        .iter()
        .take(MOST)
        .map(|(_, picture)| Candidate {
            time_ms: picture.time_ms,
            features: picture.features.clone(),
        })
        .collect()
}

/// How much speaks against each picture; 0 if nothing.
pub(super) fn faults(pictures: &[Tapped]) -> Vec<u32> {
    let all = pictures.iter().map(|picture| &picture.features);
    // Blur is told by comparison: some films are soft throughout.
    let crisp = quantile(
        all.filter(|features| !is_blank(features))
            .map(Features::crispness),
        0.9,
    );
    let get = |index: Option<usize>| index.and_then(|index| pictures.get(index));
    pictures
        .iter()
        .enumerate()
        .map(|(index, picture)| {
            let before = get(index.checked_sub(1)).filter(|other| is_near(other, picture));
            let after = get(index.checked_add(1)).filter(|other| is_near(other, picture));
            let here = &picture.features;
            let mut fault = 0;
            let mut blame = |is_faulty: bool, weight: u32| fault += if is_faulty { weight } else { 0 };
            blame(is_blank(here), 1000);
            blame(here.bright > 0.35 || here.mean > 215.0, 200);
            let neighbours = [before, after].into_iter().flatten();
            let is_at_cut = neighbours
                .map(|other| &other.features)
                .any(|other| here.distance(other) > CUT || other.layout_distance(here) > LAYOUT_CUT);
            blame(is_at_cut, 100);
            let is_between = before
                .zip(after)
                .is_some_and(|(before, after)| is_mixed(&before.features, here, &after.features));
            blame(is_between, 100);
            blame(here.mean < 30.0 || here.dark > 0.75 || here.contrast < 12.0, 40);
            blame(here.crispness() < BLURRED * crisp, 40);
            blame(here.flat > 0.6, 20);
            fault
        })
        .collect()
}

/// Black, white, or one colour.
fn is_blank(features: &Features) -> bool {
    features.mean < 10.0 || features.mean > 245.0 || features.contrast < 4.0 || features.dark > 0.97
}

/// Close enough to be compared as neighbours; workers may leave holes.
fn is_near(one: &Tapped, other: &Tapped) -> bool {
    one.time_ms.abs_diff(other.time_ms) <= NEAR_MS
}

/// Whether a picture is a mixture of those around it: a dissolve, or a fade from or to one colour.
fn is_mixed(before: &Features, here: &Features, after: &Features) -> bool {
    let lights = |features: &Features| features.layout.map(f64::from);
    let (a, x, b) = (lights(before), lights(here), lights(after));
    let span: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b - a).collect();
    let length: f64 = span.iter().map(|d| d * d).sum();
    let blocks = span.len() as f64;
    if (length / blocks).sqrt() < MIXED {
        return false;
    }
    let along: f64 = span
        .iter()
        .zip(x.iter().zip(&a))
        .map(|(d, (x, a))| d * (x - a))
        .sum();
    let share = along / length;
    let residual: f64 = span
        .iter()
        .zip(x.iter().zip(&a))
        .map(|(d, (x, a))| (x - a - share * d).powi(2))
        .sum();
    (0.08..=0.92).contains(&share) && residual < 0.1 * length
}

impl Features {
    /// Fine detail as a share of all differences of light: what blur takes away, whatever the picture shows.
    fn crispness(&self) -> f32 {
        self.sharpness / self.contrast.powi(2).max(1.0)
    }

    /// Mean difference of light between the blocks of two pictures.
    fn layout_distance(&self, other: &Self) -> f64 {
        let pairs = self.layout.iter().zip(&other.layout);
        let sum: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        f64::from(sum) / self.layout.len() as f64
    }
}

/// How many pictures look like this one, near ones counting most.
fn crowd(one: &Features, all: &[&Features]) -> f64 {
    all.iter()
        .map(|other| (1.0 - one.distance(other) / ALIKE).max(0.0))
        .sum()
}

fn score(features: &Features, sharpest: f32) -> f64 {
    let detail = f64::from(features.sharpness.max(0.0).sqrt() / sharpest.max(1.0).sqrt()).min(1.0);
    let light = (f64::from(features.mean) - 115.0) / 75.0;
    let exposure = (-light * light).exp() * (1.0 - f64::from(features.dark + features.bright).min(1.0) * 0.7);
    let variety = f64::from(features.entropy) / 6.0 * f64::from(features.contrast / 55.0).min(1.0);
    let colour = f64::from(features.colour / 30.0).min(1.0);
    let busy = 1.0 - f64::from(features.flat).min(1.0) * 0.5;
    (0.4 + 0.6 * detail) * (0.3 + 0.7 * exposure) * (0.4 + 0.6 * variety) * (0.6 + 0.4 * colour) * busy
}

/// Comparing all with all takes the square of their number: of long films, some evenly spread ones are enough.
fn thin(indices: Vec<usize>) -> Vec<usize> {
    let stride = indices.len().div_ceil(COMPARED).max(1);
    indices.into_iter().step_by(stride).collect()
}

fn quantile(values: impl Iterator<Item = f32>, share: f64) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    let index = (values.len().saturating_sub(1) as f64 * share) as usize;
    values.get(index).copied().unwrap_or(0.0)
}

/// Candidates that are returned.
const MOST: usize = 5;
const COMPARED: usize = 800;
/// Unlike neighbours have a cut between them: by what there is,
const CUT: f64 = 0.45;
/// or by where it lies.
const LAYOUT_CUT: f64 = 28.0;
/// Change of light across two steps that can be a fade.
const MIXED: f64 = 10.0;
/// A picture with less than this share of the crispest pictures' detail is blurred.
const BLURRED: f32 = 0.15;
/// Pictures farther apart than this have nothing to do with each other.
const ALIKE: f64 = 0.5;
const NEAR_MS: u64 = 1100;
