//! Sound and text to choose from: which tracks there are, which are on, and the cues of text.

use std::collections::VecDeque;

use super::Session;
use crate::error::ErrorKind;
use crate::input::{Caption, TrackKind};
use crate::output::{Container, Output, PlayerEvent, TrackInfo};
use crate::presentation::{CaptionChannel, Period};
use crate::streaming::context::{Cx, error};
use crate::streaming::loader::{Env, Text};
use crate::streaming::slots::Wanted;
use crate::text::{self, Format, Seen, TextCue};
use crate::time::{MediaTime, TimeRange};

/// What is known of text that is not a track of its own, and what is shown.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// Captions inside the pictures, as declared or as found.
    captions: Vec<CaptionChannel>,
    /// Id of the track or channel that is on; empty if none is.
    on: String,
    seen: Seen,
    /// Captions that have come, on the presentation timeline: whoever turns them on wants those of what is buffered.
    heard: VecDeque<Caption>,
}

/// Captions that are remembered: some hours.
const MAX_HEARD: usize = 4096;

impl Texts {
    pub(super) fn describe(&mut self, periods: &[Period]) {
        for channel in periods.iter().flat_map(|p| &p.captions) {
            if self.captions.iter().all(|known| known.channel != channel.channel) {
                self.captions.push(channel.clone());
            }
        }
    }

    fn is_channel(&self, id: &str) -> bool {
        self.captions.iter().any(|known| known.channel == id)
    }
}

impl Session {
    /// Shows what is to be shown unless the viewer chooses otherwise.
    pub(super) fn begin_text(&mut self, cx: &mut Cx<'_>) {
        let config = &cx.config.tracks;
        let Some(loader) = self.loaders.iter().find(|l| l.is_text()) else {
            return;
        };
        let current = loader.slots.tracks_of_period();
        let speaks = |language: &str| {
            let primary = |l: &str| l.split('-').next().unwrap_or_default().to_ascii_lowercase();
            !config.text_language.is_empty() && primary(language) == primary(&config.text_language)
        };
        let mut wanted = None;
        for track in current {
            let by_default = config.default_text && (track.default || track.forced);
            if speaks(&track.language) || (by_default && wanted.is_none()) {
                wanted = Some(track.id.clone());
            }
            if speaks(&track.language) {
                break;
            }
        }
        if let Some(id) = wanted {
            self.select_track(cx, TrackKind::Text, Some(&id));
        }
    }

    /// The viewer or the application chose a track; `None` is no text.
    pub(super) fn select_track(&mut self, cx: &mut Cx<'_>, kind: TrackKind, id: Option<&str>) {
        let position = self.playhead.position(cx.now);
        let is_channel = kind == TrackKind::Text && id.is_some_and(|id| self.texts.is_channel(id));
        let loader = self.loaders.iter_mut().find(|l| l.kind == kind);
        let known = loader.as_ref().and_then(|loader| {
            let mut tracks = loader.slots.tracks_of_period();
            tracks
                .find(|track| Some(track.id.as_str()) == id)
                .map(Wanted::like)
        });
        if let (Some(id), None, false) = (id, &known, is_channel) {
            let message = format!("there is no {} track \"{id}\"", kind.name());
            return self.report(cx, error(ErrorKind::Internal, message));
        }
        if kind == TrackKind::Text {
            self.texts.on = id.unwrap_or_default().to_owned();
            self.texts.seen.clear();
        }
        if let Some(loader) = loader {
            match known {
                Some(wanted) => loader.switch(cx, &mut self.shared, wanted, position),
                None if kind == TrackKind::Text => loader.stop(cx, &mut self.shared, position),
                None => {}
            }
        }
        let pictures = self.loaders.iter_mut().find(|l| l.kind == TrackKind::Video);
        if let Some(pictures) = pictures.filter(|_| kind == TrackKind::Text) {
            pictures.captions = is_channel;
            let slot = pictures.current().and_then(|r| pictures.slots.get(r));
            let always = slot.is_some_and(|slot| slot.container == Container::MpegTs);
            if is_channel && !always {
                // What is buffered has been without them.
                pictures.replace(cx, &mut self.shared, position);
            }
        }
        self.tell_tracks(cx);
        if is_channel {
            self.give_heard(cx);
        }
    }

    /// Tells the application what there is to choose from, and what is chosen.
    pub(super) fn tell_tracks(&self, cx: &mut Cx<'_>) {
        let of = |kind: TrackKind| {
            let loader = self.loaders.iter().find(|l| l.kind == kind);
            let mut infos = Vec::new();
            if let Some(loader) = loader {
                let selected = loader.slots.track().map(|slot| slot.track.id.as_str());
                let selected = selected.filter(|_| !loader.idle);
                for track in loader.slots.tracks_of_period() {
                    infos.push(TrackInfo {
                        id: track.id.clone(),
                        language: track.language.clone(),
                        label: track.label.clone(),
                        roles: track.roles.clone(),
                        channels: track.channels.clone(),
                        forced: track.forced,
                        captions: false,
                        selected: selected == Some(track.id.as_str()),
                    });
                }
            }
            infos
        };
        let audio = of(TrackKind::Audio);
        let mut text = of(TrackKind::Text);
        for channel in &self.texts.captions {
            text.push(TrackInfo {
                id: channel.channel.clone(),
                language: channel.language.clone(),
                label: channel.label.clone(),
                captions: true,
                selected: channel.channel == self.texts.on,
                ..TrackInfo::default()
            });
        }
        if !audio.is_empty() || !text.is_empty() {
            cx.event(PlayerEvent::Tracks { audio, text });
        }
    }

    /// Gives out the cues of the segments of text that have arrived.
    pub(super) fn feed_text(&mut self, cx: &mut Cx<'_>, i: usize, env: &Env) {
        let back = MediaTime::from_secs_f64(cx.config.buffer.back_s.max(0.0));
        while let Some(loader) = self.loaders.get_mut(i) {
            loader.trim_text(env.position, back);
            let Some((text, offset)) = loader.next_text(&mut self.shared, env) else {
                return;
            };
            self.read_text(cx, i, &text, offset);
        }
    }

    fn read_text(&mut self, cx: &mut Cx<'_>, i: usize, text: &Text, offset: MediaTime) {
        let Some(slot) = self.loaders.get(i).and_then(|l| l.slots.get(text.rendition)) else {
            return;
        };
        let own_clock = slot.has_own_clock();
        let rendition = &slot.rendition;
        let container = if own_clock {
            ""
        } else {
            rendition.container.as_str()
        };
        let format = Format::of(container, &rendition.codecs, &text.url);
        let cues = match text::read(&text.body, text.init.as_deref(), format) {
            Ok(cues) => cues,
            Err(why) => {
                let message = format!("subtitles at {:?} cannot be shown: {why}", text.range.start);
                return self.report(cx, error(ErrorKind::Segment, message));
            }
        };
        let near = text.range.start - offset;
        let mut new: Vec<TextCue> = Vec::new();
        for mut cue in cues.cues {
            let start = match &cues.timestamp_map {
                Some(map) if own_clock => map.media_time(cue.start, near) + offset,
                None if own_clock => nearer(cue.start, offset, text.range),
                _ => cue.start + offset,
            };
            let open = cue.end == MediaTime::MAX;
            cue.shift(start - cue.start);
            if open {
                cue.end = text.range.end;
            }
            if cue.end > cue.start && self.texts.seen.is_new(&cue) {
                new.push(cue);
            }
        }
        self.give_cues(cx, self.texts.on.clone(), new);
    }

    fn give_cues(&self, cx: &mut Cx<'_>, track: String, cues: Vec<TextCue>) {
        if !cues.is_empty() {
            cx.send(Output::Cues { track, cues });
        }
    }

    /// Gives out captions of a segment, whose times are `offset` away from the timeline.
    pub(super) fn give_captions(&mut self, cx: &mut Cx<'_>, captions: Vec<Caption>, offset: MediaTime) {
        let mut found = false;
        let mut shown = Vec::new();
        for caption in captions {
            if !self.texts.is_channel(&caption.channel) {
                found = true;
                self.texts.captions.push(CaptionChannel {
                    channel: caption.channel.clone(),
                    ..CaptionChannel::default()
                });
            }
            let mut caption = caption;
            caption.cue.shift(offset);
            if caption.channel == self.texts.on && self.texts.seen.is_new(&caption.cue) {
                shown.push(caption.cue.clone());
            }
            if self.texts.heard.len() >= MAX_HEARD {
                self.texts.heard.pop_front();
            }
            self.texts.heard.push_back(caption);
        }
        if found {
            self.tell_tracks(cx);
        }
        self.give_cues(cx, self.texts.on.clone(), shown);
    }

    /// Gives out the captions of the channel that are known already.
    fn give_heard(&mut self, cx: &mut Cx<'_>) {
        let Texts { on, seen, heard, .. } = &mut self.texts;
        let of_it = heard.iter().filter(|caption| caption.channel == *on);
        let new = of_it.filter(|caption| seen.is_new(&caption.cue));
        let cues = new.map(|caption| caption.cue.clone()).collect();
        let track = on.clone();
        self.give_cues(cx, track, cues);
    }
}

/// Times without a map are those of the media's clock (RFC 8216, 3.5), though some mean the presentation's: what is closer to the
/// segment is meant.
fn nearer(start: MediaTime, offset: MediaTime, range: TimeRange) -> MediaTime {
    let distance = |t: MediaTime| (range.start - t).max(t - range.end).max(MediaTime::ZERO);
    let by_media = start + offset;
    if distance(start) < distance(by_media) {
        start
    } else {
        by_media
    }
}
