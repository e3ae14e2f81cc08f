//! All thumbnails of a load, wherever they come from.

use core::time::Duration;

use super::listing::Listing;
use super::{Shot, Sprites, Thumbnail, fast_forward, thumbnail_at};
use crate::manifest::ManifestError;
use crate::manifest::hls::MediaPlaylist;
use crate::media::sidx::{Progress, SidxError, SidxReader};
use crate::presentation::{ImageTrack, Period, Rendition, Resource, SegmentIndex, SegmentSource};
use crate::text::webvtt::{WebVtt, WebVttError};
use crate::time::{Instant, MediaTime, TimeRange};

/// More sources are not looked at.
const MAX_SOURCES: usize = 4096;

/// The thumbnails of a load: sprites that its page gives, else images that the manifest lists, else pictures for fast-forward, of which each
/// is a piece of video. What must be read first is asked for when it is wanted, and not before.
#[derive(Debug, Default)]
pub struct Thumbnails {
    /// The sprites first, then images, then pictures.
    sources: Vec<Source>,
    /// Of the multivariant playlist.
    variables: Vec<(String, String)>,
    ids: u32,
}

/// What there is to an enquiry.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<T> {
    /// Fetch this, tell [`Thumbnails::loaded`] or [`Thumbnails::failed`], and ask again. It is said once.
    Fetch(Need),
    /// This.
    Here(T),
    /// Nothing.
    Nothing,
    /// Something is being fetched: ask again when it is there.
    Pending,
}

/// Something to be fetched to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// For whom.
    pub source: SourceId,
    /// What.
    pub resource: Resource,
}

/// Names a source of thumbnails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// What shows how it looks at a time.
#[derive(Clone, Debug, PartialEq)]
pub enum Picture {
    /// A piece of video.
    Frame(Frame),
    /// An image, or a part of one.
    Image(Thumbnail),
}

/// A segment that begins with a picture, of a rendition for fast-forward.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Its full type, as `video/mp4; codecs="avc1.64001f"`.
    pub mime: String,
    /// What to fetch.
    pub resource: Resource,
    /// What to fetch before that, if anything.
    pub init: Option<Resource>,
    /// Size, pixels; 0 if not declared.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// It stands for the time from here
    pub start: MediaTime,
    /// to here.
    pub end: MediaTime,
}

/// Why a source cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThumbnailError {
    /// Its segment index.
    #[error(transparent)]
    Index(#[from] SidxError),
    /// Its playlist.
    #[error(transparent)]
    Playlist(#[from] ManifestError),
    /// The file of sprites.
    #[error(transparent)]
    Sprites(#[from] WebVttError),
}

#[derive(Debug)]
struct Source {
    id: SourceId,
    /// The time of its period.
    range: TimeRange,
    /// That and its own name in it.
    name: (String, String),
    /// Where its playlist or file is; empty if it needs none.
    url: String,
    content: Content,
    state: State,
    /// How much later its timeline begins on that of the presentation.
    offset: MediaTime,
    /// A playlist that may grow, and when it was read.
    live: Option<(Box<MediaPlaylist>, Instant)>,
}

#[derive(Debug)]
enum Content {
    Frames(Box<Rendition>),
    Images(Box<ImageTrack>),
    Sprites(Box<Sprites>),
}

#[derive(Debug)]
enum State {
    Asked,
    Failed,
    Ready,
    /// Bytes of its segment index are to be fetched, or on their way.
    Sidx {
        reader: Box<SidxReader>,
        asked: bool,
    },
    Unread,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Frames,
    Images,
    Sprites,
}

impl Thumbnails {
    /// For playlists that a multivariant playlist with these variables leads to.
    pub fn new(variables: Vec<(String, String)>) -> Self {
        Self {
            variables,
            ..Self::default()
        }
    }

    /// Sprites that the page has: the absolute URL of a WebVTT file ([`Sprites`]), or none. They go before everything else.
    pub fn set_sprites(&mut self, url: Option<&str>) {
        self.sources.retain(|source| source.kind() != Kind::Sprites);
        if let Some(url) = url {
            self.ids += 1;
            let sprites = Source {
                id: SourceId(self.ids),
                range: TimeRange::new(-MediaTime::MAX, MediaTime::MAX),
                name: Default::default(),
                url: url.to_owned(),
                content: Content::Sprites(Box::default()),
                state: State::Unread,
                offset: MediaTime::ZERO,
                live: None,
            };
            self.sources.insert(0, sprites);
        }
    }

    /// Takes what a manifest or its newer version lists. Playlists that were read stay so.
    pub fn set_periods(&mut self, periods: &[Period]) {
        let mut before = core::mem::take(&mut self.sources);
        let kept = before.iter().position(|source| source.kind() != Kind::Sprites);
        let manifest = before.split_off(kept.unwrap_or(before.len()));
        self.sources = before;
        let mut known = manifest;
        let ranges = || {
            periods.iter().enumerate().map(|(i, period)| {
                let next = periods.get(i + 1).map(|next| next.start);
                let end = period.duration.map(|duration| period.start + duration);
                let end = end.or(next).unwrap_or(MediaTime::MAX);
                (period, TimeRange::new(period.start, end))
            })
        };
        for (period, range) in ranges() {
            for track in &period.thumbnails {
                let name = (period.id.clone(), track.id.clone());
                self.add(&mut known, range, name, Content::Images(Box::new(track.clone())));
            }
        }
        for (period, range) in ranges() {
            for track in &period.trick_play {
                // What needs a key system cannot be shown as a still.
                let renditions = track.renditions.iter();
                for rendition in renditions
                    .filter(|rendition| track.protection.is_empty() && rendition.protection.is_empty())
                {
                    let name = (period.id.clone(), rendition.id.clone());
                    self.add(
                        &mut known,
                        range,
                        name,
                        Content::Frames(Box::new(rendition.clone())),
                    );
                }
            }
        }
    }

    /// What shows how it looks at `t`, of those whose pictures are at least `width` pixels wide the smallest, else the largest. A
    /// playlist that may have grown past `t` is read again, not more often than it grows.
    pub fn thumbnail_at(&mut self, t: MediaTime, width: u32, now: Instant) -> Found<Picture> {
        for kind in [Kind::Sprites, Kind::Images, Kind::Frames] {
            match self.ask(kind, t, width, now, &|source| source.picture(t)) {
                Found::Nothing => {}
                found => return found,
            }
        }
        Found::Nothing
    }

    /// The next pictures of a fast-forward (see [`fast_forward`]), and the full type of what they are.
    pub fn fast_forward(
        &mut self,
        position: MediaTime,
        rate: f64,
        (interval, count): (Duration, usize),
        width: u32,
        now: Instant,
    ) -> Found<(String, Vec<Shot>)> {
        let shots = |source: &Source| {
            let Content::Frames(rendition) = &source.content else {
                return None;
            };
            let shots = fast_forward(source.index()?, position, rate, interval, count);
            (!shots.is_empty()).then(|| (rendition.mime(), shots))
        };
        self.ask(Kind::Frames, position, width, now, &shots)
    }

    /// All thumbnails that are images of about this width, as [`to_webvtt`](super::to_webvtt) writes them: at most
    /// [`MAX_LISTED`](super::MAX_LISTED), each of which stands for more time where there are more.
    pub fn list(&mut self, width: u32, now: Instant) -> Found<Vec<Thumbnail>> {
        let mut listing = Listing::default();
        let mut pending = false;
        let mut done = MediaTime::from_micros(i64::MIN);
        // One source of each period; sprites are of all of them.
        while let Some(range) = self.next_range(done) {
            done = range.end;
            for kind in [Kind::Sprites, Kind::Images] {
                match self.ask(kind, range.start, width, now, &|source| Some(source.id)) {
                    Found::Fetch(need) => return Found::Fetch(need),
                    Found::Here(id) => {
                        match self
                            .sources
                            .iter()
                            .find(|source| source.id == id)
                            .map(|s| &s.content)
                        {
                            Some(Content::Sprites(sprites)) => {
                                listing.add_sprites(sprites);
                                return listing.found();
                            }
                            Some(Content::Images(track)) => listing.add_track(track),
                            _ => {}
                        }
                        break;
                    }
                    Found::Pending => {
                        pending = true;
                        break;
                    }
                    Found::Nothing => {}
                }
            }
        }
        if pending { Found::Pending } else { listing.found() }
    }

    /// Takes the bytes of what was to be fetched; `url` is where they came from. `place` says where the timeline of a playlist begins, which is
    /// zero for what is not live.
    ///
    /// # Errors
    /// If they cannot be read: the source is not used any more, or, if it was read before, as it was.
    pub fn loaded(
        &mut self,
        source: SourceId,
        url: &str,
        bytes: &[u8],
        now: Instant,
        place: &dyn Fn(&SegmentIndex) -> MediaTime,
    ) -> Result<(), ThumbnailError> {
        let Some(source) = self.sources.iter_mut().find(|known| known.id == source) else {
            return Ok(());
        };
        let read = source.read(url, bytes, &self.variables, now, place);
        if read.is_err() {
            source.fail(now);
        }
        read
    }

    /// What was to be fetched cannot be had: the source is not used any more, or, if it was read before, as it was.
    pub fn failed(&mut self, source: SourceId, now: Instant) {
        if let Some(source) = self.sources.iter_mut().find(|known| known.id == source) {
            source.fail(now);
        }
    }

    fn add(
        &mut self,
        known: &mut Vec<Source>,
        range: TimeRange,
        name: (String, String),
        mut content: Content,
    ) {
        if self.sources.len() >= MAX_SOURCES {
            return;
        }
        let listed = match &mut content {
            Content::Frames(rendition) => &mut rendition.source,
            Content::Images(track) => &mut track.source,
            Content::Sprites(_) => return,
        };
        let (url, state) = match listed {
            SegmentSource::Index(_) => (String::new(), State::Ready),
            SegmentSource::Playlist(url) => (url.clone(), State::Unread),
            SegmentSource::Sidx(source) => {
                let url = source.index.url.clone();
                let reader = Box::new(SidxReader::new(source.clone()));
                (url, State::Sidx { reader, asked: false })
            }
        };
        let mut source = Source {
            id: SourceId(0),
            range,
            name,
            url,
            content,
            state,
            offset: MediaTime::ZERO,
            live: None,
        };
        let is_same =
            |old: &Source| old.kind() == source.kind() && old.name == source.name && old.url == source.url;
        match known.iter().position(is_same) {
            // What was read of it is worth more than what is listed again.
            Some(at) if !source.url.is_empty() => {
                source = Source {
                    range,
                    ..known.swap_remove(at)
                };
            }
            Some(at) => source.id = known.swap_remove(at).id,
            None => {
                self.ids += 1;
                source.id = SourceId(self.ids);
            }
        }
        self.sources.push(source);
    }

    /// What the best source of a kind says, or else another one that is ready; asks for what must be read first.
    fn ask<T>(
        &mut self,
        kind: Kind,
        t: MediaTime,
        width: u32,
        now: Instant,
        says: &dyn Fn(&Source) -> Option<T>,
    ) -> Found<T> {
        let mut best: Option<(u64, &mut Source)> = None;
        let mut ready: Option<(u64, usize)> = None;
        for (at, source) in self.sources.iter_mut().enumerate() {
            if source.kind() != kind || !source.range.contains(t) || matches!(source.state, State::Failed) {
                continue;
            }
            let rank = source.rank(width);
            if source.index_is_ready() && ready.is_none_or(|(least, _)| rank < least) {
                ready = Some((rank, at));
            }
            if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                best = Some((rank, source));
            }
        }
        let Some((_, best)) = best else {
            return Found::Nothing;
        };
        if let Some(resource) = best.need(t, now) {
            let source = best.id;
            return Found::Fetch(Need { source, resource });
        }
        let is_pending = best.is_pending();
        let ready = ready.and_then(|(_, at)| self.sources.get(at));
        match ready.and_then(says) {
            Some(found) => Found::Here(found),
            None if is_pending => Found::Pending,
            None => Found::Nothing,
        }
    }

    /// The next time that begins no earlier than `from` and has images of its own.
    fn next_range(&self, from: MediaTime) -> Option<TimeRange> {
        let ranges = self
            .sources
            .iter()
            .filter(|source| source.kind() != Kind::Frames && !matches!(source.state, State::Failed))
            .map(|source| source.range);
        ranges
            .filter(|range| range.start >= from && range.start < range.end)
            .min_by_key(|range| range.start)
    }
}

impl Source {
    const fn kind(&self) -> Kind {
        match self.content {
            Content::Frames(_) => Kind::Frames,
            Content::Images(_) => Kind::Images,
            Content::Sprites(_) => Kind::Sprites,
        }
    }

    fn index(&self) -> Option<&SegmentIndex> {
        let source = match &self.content {
            Content::Frames(rendition) => &rendition.source,
            Content::Images(track) => &track.source,
            Content::Sprites(_) => return None,
        };
        match source {
            SegmentSource::Index(index) => Some(index),
            _ => None,
        }
    }

    fn index_is_ready(&self) -> bool {
        match &self.content {
            Content::Sprites(_) => matches!(self.state, State::Ready),
            _ => self.index().is_some(),
        }
    }

    /// The lower, the better it goes with a width: wide enough and no wider, else as wide as there is.
    fn rank(&self, width: u32) -> u64 {
        let own = match &self.content {
            Content::Frames(rendition) => rendition.width,
            Content::Images(track) => track.width / track.tiles.0.max(1),
            Content::Sprites(_) => width,
        };
        match own.checked_sub(width) {
            Some(more) => more.into(),
            None => (1 << 32) + u64::from(width - own),
        }
    }

    /// What must be fetched before it can say something of `t`, unless it was asked for.
    fn need(&mut self, t: MediaTime, now: Instant) -> Option<Resource> {
        match &mut self.state {
            State::Unread => {}
            State::Ready => {
                let (playlist, read) = self.live.as_ref()?;
                let is_due = now.since(*read) >= playlist.target_duration().as_duration();
                let end = self.index()?.end();
                (is_due && t >= end).then_some(())?;
            }
            State::Sidx { reader, asked } => {
                let was_asked = core::mem::replace(asked, true);
                return (!was_asked).then(|| Resource {
                    url: reader.url().to_owned(),
                    range: Some(reader.request()),
                });
            }
            _ => return None,
        }
        self.state = State::Asked;
        Some(Resource {
            url: self.url.clone(),
            range: None,
        })
    }

    const fn is_pending(&self) -> bool {
        matches!(self.state, State::Asked | State::Sidx { .. })
    }

    fn fail(&mut self, now: Instant) {
        match &mut self.live {
            Some((_, read)) => {
                *read = now;
                self.state = State::Ready;
            }
            None => self.state = State::Failed,
        }
    }

    fn picture(&self, t: MediaTime) -> Option<Picture> {
        match &self.content {
            Content::Sprites(sprites) => sprites.thumbnail_at(t).map(Picture::Image),
            Content::Images(track) => thumbnail_at(track, t).map(Picture::Image),
            Content::Frames(rendition) => {
                let index = self.index()?;
                let segment = index.get(index.position_at(t))?;
                // With a key of its own it cannot be shown as a still.
                let is_here = segment.start <= t && !segment.gap && segment.keys.is_none();
                is_here.then(|| {
                    Picture::Frame(Frame {
                        mime: rendition.mime(),
                        resource: segment.resource,
                        init: segment.init.and_then(|init| index.inits.get(init).cloned()),
                        width: rendition.width,
                        height: rendition.height,
                        start: segment.start,
                        end: segment.end,
                    })
                })
            }
        }
    }

    fn read(
        &mut self,
        url: &str,
        bytes: &[u8],
        variables: &[(String, String)],
        now: Instant,
        place: &dyn Fn(&SegmentIndex) -> MediaTime,
    ) -> Result<(), ThumbnailError> {
        if let Content::Sprites(sprites) = &mut self.content {
            **sprites = Sprites::new(WebVtt::parse(bytes)?, url);
            // Without any, others are better.
            self.state = if sprites.is_empty() {
                State::Failed
            } else {
                State::Ready
            };
            return Ok(());
        }
        if let State::Sidx { reader, asked } = &mut self.state {
            *asked = false;
            let offset = reader.request().offset;
            if let Progress::Ready(index) = reader.push(offset, bytes)? {
                self.set_index(*index);
            }
            return Ok(());
        }
        let playlist = match &mut self.live {
            Some((playlist, read)) => {
                playlist.refresh(bytes, url)?;
                *read = now;
                (**playlist).clone()
            }
            None => {
                let playlist = MediaPlaylist::read(bytes, url, Some(variables))?;
                self.offset = place(&playlist.index);
                if !playlist.ended() {
                    self.live = Some((Box::new(playlist.clone()), now));
                }
                playlist
            }
        };
        if playlist.ended() {
            self.live = None;
        }
        let mut playlist = playlist;
        playlist.index.shift(self.offset);
        if let Content::Images(track) = &mut self.content {
            **track = track.as_ref().clone().with_playlist(playlist);
            self.state = State::Ready;
        } else {
            self.set_index(playlist.index);
        }
        Ok(())
    }

    fn set_index(&mut self, index: SegmentIndex) {
        match &mut self.content {
            Content::Frames(rendition) => rendition.source = SegmentSource::Index(index),
            Content::Images(track) => track.source = SegmentSource::Index(index),
            Content::Sprites(_) => {}
        }
        self.state = State::Ready;
    }
}
