//! How well the machine decodes, and which codec to play where the pictures come in several.

use core::time::Duration;

use super::context::Cx;
use crate::input::{Decoding, RequestId, TrackKind};
use crate::output::{DecodingConfig, Output};
use crate::presentation::{Rendition, Track, kind_of_codec};
use crate::time::Bitrate;

/// Before a codec is chosen, the machine has so long to say how well it decodes each.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);
/// No more is asked for than this.
const MAX_CONFIGS: usize = 64;

/// What the machine was asked, and what it has said.
#[derive(Debug, Default)]
pub(crate) struct Abilities {
    /// The question.
    asked: Option<RequestId>,
    known: Vec<(DecodingConfig, Decoding)>,
}

impl Abilities {
    /// Asks for the pictures of these tracks, if there is something to choose from; true if that is a codec.
    pub(crate) fn ask<'a>(
        &mut self,
        cx: &mut Cx<'_>,
        renditions: impl Iterator<Item = (&'a Track, &'a Rendition)>,
    ) -> bool {
        let mut families: Vec<&str> = Vec::new();
        for (track, rendition) in renditions {
            let config = config(rendition).filter(|_| track.kind == TrackKind::Video);
            let Some(config) = config.filter(|_| self.known.len() < MAX_CONFIGS) else {
                continue;
            };
            let family = family(rendition);
            if !families.contains(&family) {
                families.push(family);
            }
            if !self.known.iter().any(|(known, _)| *known == config) {
                self.known.push((config, Decoding::Unknown));
            }
        }
        if self.known.len() > 1 {
            let request = cx.request_id();
            self.asked = Some(request);
            let configs = self.known.iter().map(|(config, _)| config.clone()).collect();
            cx.send(Output::ProbeDecoding { request, configs });
        }
        families.len() > 1
    }

    /// It is the question that waits for an answer.
    pub(crate) fn knows(&self, request: RequestId) -> bool {
        self.asked == Some(request)
    }

    /// Takes the answer, in the order of the question.
    pub(crate) fn answer(&mut self, answers: &[Decoding]) {
        self.asked = None;
        for ((_, known), answer) in self.known.iter_mut().zip(answers) {
            *known = *answer;
        }
    }

    pub(crate) fn of(&self, rendition: &Rendition) -> Decoding {
        let Some(config) = config(rendition) else {
            return Decoding::Unknown;
        };
        let mut known = self.known.iter();
        known
            .find(|(known, _)| *known == config)
            .map_or(Decoding::Unknown, |(_, decoding)| *decoding)
    }
}

/// What is asked of a rendition, if enough of it is declared.
fn config(rendition: &Rendition) -> Option<DecodingConfig> {
    let codec = codec(rendition)?;
    let Rendition { width, height, .. } = *rendition;
    if width == 0 || height == 0 {
        return None;
    }
    // What comes in other containers gets there as this.
    let container = if rendition.is_webm() { "webm" } else { "mp4" };
    Some(DecodingConfig {
        mime: ["video/", container, "; codecs=\"", codec, "\""].concat(),
        width,
        height,
        bandwidth: rendition.bandwidth,
        frame_rate: rendition.frame_rate,
    })
}

/// The codec of the pictures.
fn codec(rendition: &Rendition) -> Option<&str> {
    let mut codecs = rendition.codecs.split(',').map(str::trim);
    codecs.find(|codec| kind_of_codec(codec) == Some(TrackKind::Video))
}

/// The family of the pictures' codec: its four-character code, one for all that mean the same; empty if it is not declared.
pub(crate) fn family(rendition: &Rendition) -> &str {
    let code = codec(rendition).and_then(|codec| codec.split('.').next());
    match code.unwrap_or_default() {
        "avc3" => "avc1",
        "hev1" => "hvc1",
        "dvhe" => "dvh1",
        "vp8" => "vp08",
        "vp9" => "vp09",
        code => code,
    }
}

/// What a codec offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    priority: u32,
    /// The worst that is said of what can be decoded smoothly, or else the best of what cannot.
    decoding: Decoding,
    lowest: Bitrate,
    /// Its highest rung: lines and bitrate.
    reach: u32,
    top: Bitrate,
}

impl Offer {
    /// Of the renditions of a codec, with what is said of each.
    pub(crate) fn new<'a>(
        priority: u32,
        renditions: impl Iterator<Item = (&'a Rendition, Decoding)> + Clone,
    ) -> Option<Self> {
        let best = renditions.clone().map(|(_, decoding)| decoding).max()?;
        let floor = best.min(Decoding::Unknown);
        let mut offer: Option<Self> = None;
        for (rendition, decoding) in renditions.filter(|(_, decoding)| *decoding >= floor) {
            let (height, bandwidth) = (rendition.height, rendition.bandwidth);
            let offer = offer.get_or_insert(Self {
                priority,
                decoding,
                lowest: bandwidth,
                reach: height,
                top: bandwidth,
            });
            offer.decoding = offer.decoding.min(decoding);
            offer.lowest = offer.lowest.min(bandwidth);
            if height > offer.reach || (height == offer.reach && bandwidth < offer.top) {
                (offer.reach, offer.top) = (height, bandwidth);
            }
        }
        offer
    }

    /// Both offer the same, and this the better: what the author prefers, what saves power, what needs less of the network. Where nothing
    /// is known the first one stays.
    fn is_better(&self, other: &Self) -> bool {
        let efficient = |offer: &Self| offer.decoding == Decoding::Efficient;
        let known = |offer: &Self| offer.decoding >= Decoding::Smooth;
        match self.priority.cmp(&other.priority) {
            core::cmp::Ordering::Equal if efficient(self) != efficient(other) => efficient(self),
            core::cmp::Ordering::Equal => known(self) && known(other) && self.top < other.top,
            order => order.is_gt(),
        }
    }
}

/// The place of the best of those that offer everything: both the height of the highest and, by and large, the bitrate of the lowest. None
/// if each lacks something.
pub(crate) fn best_of(offers: &[Offer]) -> Option<usize> {
    let best = offers.iter().map(|offer| offer.decoding).max()?;
    let able = |offer: &&Offer| offer.decoding >= best.min(Decoding::Unknown);
    let reach = offers.iter().filter(able).map(|offer| offer.reach).max()?;
    let lowest = offers.iter().filter(able).map(|offer| offer.lowest).min()?;
    let mut found: Option<(usize, &Offer)> = None;
    for (i, offer) in offers.iter().enumerate().filter(|(_, offer)| able(offer)) {
        let whole = offer.reach >= reach && offer.lowest.as_f64() <= 2.0 * lowest.as_f64();
        if whole && found.is_none_or(|(_, known)| offer.is_better(known)) {
            found = Some((i, offer));
        }
    }
    found.map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn rendition(codecs: &str, kbps: u64, height: u32) -> Rendition {
        Rendition {
            codecs: codecs.into(),
            bandwidth: Bitrate::from_bps(kbps * 1000),
            width: height * 16 / 9,
            height,
            container: "video/mp4".into(),
            ..Rendition::default()
        }
    }

    fn offer(kbps: [u64; 2], height: u32, decoding: [Decoding; 2]) -> Offer {
        let rungs = [rendition("x", kbps[0], 360), rendition("x", kbps[1], height)];
        Offer::new(1, rungs.iter().zip(decoding)).unwrap()
    }

    #[test]
    fn codecs_that_mean_the_same_are_one_family() {
        assert_eq!(family(&rendition("mp4a.40.2, hev1.1.6.L93.B0", 1, 1)), "hvc1");
        assert_eq!(
            family(&rendition("vp9", 1, 1)),
            family(&rendition("vp09.00.31.08", 1, 1))
        );
        assert_eq!(family(&rendition("mp4a.40.2", 1, 1)), "");
    }

    #[test]
    fn a_question_has_one_codec_and_needs_a_size() {
        let config = config(&rendition("mp4a.40.2,avc1.64001f", 2000, 720)).unwrap();
        assert_eq!(config.mime, "video/mp4; codecs=\"avc1.64001f\"");
        assert_eq!((config.width, config.height), (1280, 720));
        assert_eq!(super::config(&rendition("avc1.64001f", 2000, 0)), None);
    }

    #[test]
    fn of_codecs_that_offer_the_same_the_one_that_saves_power_is_best() {
        use Decoding::{Efficient, Rough, Smooth, Unknown, Unsupported};
        let avc = offer([500, 6000], 1080, [Efficient, Efficient]);
        let vp9 = |decoding| offer([300, 4000], 1080, decoding);
        assert_eq!(best_of(&[avc, vp9([Smooth, Smooth])]), Some(0));
        assert_eq!(best_of(&[avc, vp9([Efficient, Smooth])]), Some(0));
        // Else that which needs less of the network.
        assert_eq!(best_of(&[avc, vp9([Efficient, Efficient])]), Some(1));
        // Nothing is known of it: the first one.
        let other = offer([500, 6000], 1080, [Unknown, Unknown]);
        assert_eq!(best_of(&[other, vp9([Unknown, Unknown])]), Some(0));
        // Not at the price of rungs.
        assert_eq!(best_of(&[avc, vp9([Efficient, Rough])]), Some(0));
        assert_eq!(
            best_of(&[avc, offer([1500, 4000], 1080, [Efficient; 2])]),
            Some(0)
        );
        assert_eq!(
            best_of(&[
                offer([1500, 4000], 1080, [Efficient; 2]),
                offer([300, 4000], 720, [Efficient; 2])
            ]),
            None
        );
        // What stutters is the last resort, and what is refused comes after that.
        assert_eq!(
            best_of(&[offer([500, 6000], 1080, [Rough; 2]), vp9([Smooth, Smooth])]),
            Some(1)
        );
        assert_eq!(
            best_of(&[offer([300, 4000], 1080, [Unsupported; 2]), vp9([Rough, Rough])]),
            Some(1)
        );
        assert_eq!(
            best_of(&[offer([500, 6000], 1080, [Unsupported; 2]), vp9([Unsupported; 2])]),
            Some(0)
        );
    }
}
