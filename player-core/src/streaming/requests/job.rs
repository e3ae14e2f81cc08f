//! A job, and what becomes of it.

use core::time::Duration;

use crate::cmcd::Object;
use crate::drm::cdm::SessionId;
use crate::error::PlayerError;
use crate::input::{Integrity, TrackKind};
use crate::media::fmp4::Facts;
use crate::output::{LicenceRequest, Method, RequestKind};
use crate::presentation::{Rendition, Resource};
use crate::streaming::attempt::Attempt;
use crate::streaming::pathways::Place;
use crate::thumbnails::SourceId;
use crate::time::{ByteRange, Instant, MediaTime};

/// A piece of work that stays the same over its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobId(pub(super) u64);

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Of the licence server.
    Certificate,
    /// What time it is: for [`Requests`] itself.
    Clock,
    Init {
        kind: TrackKind,
        rendition: usize,
        init: usize,
    },
    Key {
        kind: TrackKind,
        rendition: usize,
    },
    /// For a key session.
    Licence(SessionId),
    Manifest,
    /// Of a fast-forward: its initialization section, or itself.
    Picture {
        init: bool,
    },
    Playlist {
        kind: TrackKind,
        rendition: usize,
    },
    /// Bytes of a file that say where its segments are.
    Sidx {
        kind: TrackKind,
        rendition: usize,
    },
    Segment {
        kind: TrackKind,
        rendition: usize,
        start: MediaTime,
    },
    SegmentTable,
    Thumbnails(SourceId),
    /// Where to fetch from: for [`Requests`] itself.
    Steering,
}

impl Purpose {
    pub(crate) fn request_kind(self) -> RequestKind {
        match self {
            Self::Certificate => RequestKind::Certificate,
            Self::Clock => RequestKind::Clock,
            Self::Init { kind, .. } | Self::Segment { kind, .. } if kind == TrackKind::Text => {
                RequestKind::Text
            }
            Self::Init { .. } | Self::Picture { init: true } => RequestKind::Init,
            Self::Key { .. } => RequestKind::Key,
            Self::Licence(_) => RequestKind::Licence,
            Self::Manifest => RequestKind::Manifest,
            Self::Playlist { .. } | Self::Sidx { .. } => RequestKind::Playlist,
            Self::Picture { .. } | Self::Segment { .. } => RequestKind::Segment,
            Self::SegmentTable => RequestKind::SegmentTable,
            Self::Thumbnails(_) => RequestKind::Thumbnails,
            Self::Steering => RequestKind::Steering,
        }
    }

    /// Kind and rendition of what it belongs to.
    pub(crate) fn track(self) -> Option<(TrackKind, usize)> {
        match self {
            Self::Init { kind, rendition, .. }
            | Self::Key { kind, rendition }
            | Self::Playlist { kind, rendition }
            | Self::Sidx { kind, rendition }
            | Self::Segment { kind, rendition, .. } => Some((kind, rendition)),
            Self::Certificate
            | Self::Clock
            | Self::Licence(_)
            | Self::Manifest
            | Self::Picture { .. }
            | Self::SegmentTable
            | Self::Steering
            | Self::Thumbnails(_) => None,
        }
    }
}

/// What to fetch.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) resource: Resource,
    /// Whose it is: there may be copies of it elsewhere.
    pub(crate) rendition: Option<&'a Rendition>,
    /// What servers are told of it, if they are told.
    pub(crate) object: Option<Object>,
    /// Not everything is an ISO BMFF file: it may be encrypted, or in another container.
    pub(crate) any_container: bool,
    /// The server may hold the answer for so long.
    pub(crate) patience: Duration,
    /// It may be sent as it is made.
    pub(crate) chunks: bool,
}

/// How the current attempt of a job stands.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) purpose: Purpose,
    pub(super) range: Option<ByteRange>,
    pub(super) method: Method,
    pub(super) licence: Option<LicenceRequest>,
    /// Where it is, the best first, and the one in use.
    pub(super) places: Vec<Place>,
    pub(super) at: usize,
    /// Attempts there that have failed.
    pub(super) failures: u32,
    /// It was tried again with another authorization.
    pub(super) renewed: bool,
    /// When it was begun, and how often it was begun again.
    pub(super) since: Instant,
    pub(super) rounds: u32,
    pub(super) object: Option<Object>,
    pub(super) any_container: bool,
    /// The server may hold the answer for so long.
    pub(super) patience: Duration,
    /// It may be sent as it is made.
    pub(super) chunks: bool,
    pub(super) state: State,
}

#[derive(Clone, Debug)]
pub(super) enum State {
    Active(Attempt),
    /// Until steering says where to fetch from.
    Held,
    Waiting {
        until: Instant,
    },
}

/// What a failure means for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It is not there.
    Absent,
    /// The server has a bad moment.
    Passing,
    /// It, or the way there, does not work: elsewhere at once, if there is another place.
    Unreachable,
    /// Not for this client, as it introduced itself.
    Unauthorized,
}

impl Job {
    /// A job that holds until it is activated; it has no id yet.
    pub(super) fn new(purpose: Purpose, places: Vec<Place>) -> Self {
        Self {
            id: JobId(0),
            purpose,
            range: None,
            method: Method::Get,
            licence: None,
            places,
            at: 0,
            failures: 0,
            renewed: false,
            since: Instant::ZERO,
            rounds: 0,
            object: None,
            any_container: false,
            patience: Duration::ZERO,
            chunks: false,
            state: State::Held,
        }
    }

    /// The first byte that it asks for.
    pub(crate) fn offset(&self) -> u64 {
        self.range.map_or(0, |range| range.offset)
    }

    /// Where it is fetched from.
    pub(crate) fn url(&self) -> &str {
        self.places.get(self.at).map_or("", |place| &place.url)
    }

    pub(super) fn pathway(&self) -> &str {
        self.places.get(self.at).map_or("", |place| &place.pathway)
    }
}

/// What an input meant for a job.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The body is here.
    Body {
        job: Job,
        attempt: Attempt,
        body: Vec<u8>,
    },
    /// The bytes are with the driver.
    Complete {
        job: Job,
        attempt: Attempt,
        cached: bool,
        integrity: Integrity,
        media: Option<Box<Facts>>,
    },
    /// An attempt failed; the job goes on by itself.
    Retrying {
        job: Job,
        attempt: Attempt,
        error: PlayerError,
    },
    /// The job failed for good.
    Failed {
        job: Job,
        attempt: Attempt,
        error: PlayerError,
    },
    /// More bytes of a job that goes on.
    Progress { job: JobId },
    /// Something to report.
    Notice(PlayerError),
    /// Nothing to act on.
    Nothing,
}

/// What may still come after a failure of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hope {
    None,
    /// Nothing comes, but not for long yet.
    Outage,
    /// Something else has come meanwhile, or a part of it.
    Answers,
}
