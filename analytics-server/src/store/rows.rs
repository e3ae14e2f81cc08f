//! The tables.
//!
//! `views` has one row a view with numerators and denominators, never ratios; it is also the whole state of a view
//! that sessions need after a restart. `rollups` has what the counters of views grew by in each ten seconds, so that
//! ratios can be had for any stretch of time. `events` has one row a beacon, for the timeline of one view. `concurrency`
//! is a sample of viewers every ten seconds. `tombstones` has hashes of what was deleted.

use std::sync::Arc;

use duckdb::ToSql;
use duckdb::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use player_core::telemetry::schema::{Counters, PlaybackState};
use serde::Serialize;
use serde::ser::SerializeMap as _;

use super::table::table_row;
use crate::id::Id;
use crate::sessions::SeqSet;

table_row! {
    /// One view. Column names ending in `_ms` are milliseconds; `start_ms` and `last_beat_ms` since the Unix epoch by the
    /// server's clock, `…_t_ms` since the view's start.
    #[derive(Clone, Debug, Default, PartialEq, Serialize)]
    pub(crate) struct ViewRow in "views" {
        site: Arc<str> = "VARCHAR NOT NULL",
        view_id: Id = "VARCHAR NOT NULL",
        session_id: Id = "VARCHAR NOT NULL",
        start_ms: i64 = "BIGINT NOT NULL",
        last_beat_ms: i64 = "BIGINT NOT NULL",
        last_t_ms: i64 = "BIGINT NOT NULL",
        /// Server's clock minus client's clock: the least `received − sent` of the view.
        clock_skew_ms: i64 = "BIGINT NOT NULL",
        max_seq: i64 = "BIGINT NOT NULL",
        /// Distinct beacons.
        beacons: i64 = "BIGINT NOT NULL",
        /// The `seq`s of these beacons, as `0-7,9`.
        #[serde(skip)]
        seen: SeqSet = "VARCHAR NOT NULL",
        state: ViewState = "VARCHAR NOT NULL",
        /// The last beacon said that the view ended.
        view_end: bool = "BOOLEAN NOT NULL",
        /// How many views it stands for: 1 ÷ sample rate.
        weight: f64 = "DOUBLE NOT NULL",
        /// The beacon that brought the description; -1 if none did.
        #[serde(skip)]
        info_seq: i64 = "BIGINT NOT NULL",
        source: Arc<str> = "VARCHAR NOT NULL",
        protocol: Arc<str> = "VARCHAR NOT NULL",
        stream_type: Arc<str> = "VARCHAR NOT NULL",
        video_id: Arc<str> = "VARCHAR NOT NULL",
        video_title: Arc<str> = "VARCHAR NOT NULL",
        viewer_id: Arc<str> = "VARCHAR NOT NULL",
        duration_ms: i64 = "BIGINT NOT NULL",
        player: Arc<str> = "VARCHAR NOT NULL",
        abr: Arc<str> = "VARCHAR NOT NULL",
        device: Arc<str> = "VARCHAR NOT NULL",
        browser: Arc<str> = "VARCHAR NOT NULL",
        os: Arc<str> = "VARCHAR NOT NULL",
        network: Arc<str> = "VARCHAR NOT NULL",
        /// Two letters (ISO 3166-1), or empty.
        country: Arc<str> = "VARCHAR NOT NULL",
        page_host: Arc<str> = "VARCHAR NOT NULL",
        cdn_host: Arc<str> = "VARCHAR NOT NULL",
        /// JSON: the renditions, lowest bitrate first.
        #[serde(serialize_with = "as_json")]
        ladder: Arc<str> = "VARCHAR NOT NULL",
        experiment: Arc<str> = "VARCHAR NOT NULL",
        arm: Arc<str> = "VARCHAR NOT NULL",
        /// The share of viewers that were to be in this arm.
        arm_probability: Option<f64> = "DOUBLE",
        /// The application's dimensions, as [`Dimensions`](crate::sessions::dimensions) writes them.
        #[serde(serialize_with = "as_object")]
        dimensions: Arc<str> = "VARCHAR NOT NULL",
        play_intent: bool = "BOOLEAN NOT NULL",
        /// When play was asked for, as far as known.
        intent_t_ms: Option<i64> = "BIGINT",
        startup_ms: Option<i64> = "BIGINT",
        /// From play intent to the first frame, or as long as the view waited for it in vain so far.
        waited_ms: i64 = "BIGINT NOT NULL",
        played_ms: i64 = "BIGINT NOT NULL",
        paused_ms: i64 = "BIGINT NOT NULL",
        rebuffer_ms: i64 = "BIGINT NOT NULL",
        rebuffer_count: i64 = "BIGINT NOT NULL",
        rebuffer_network_ms: i64 = "BIGINT NOT NULL",
        seek_ms: i64 = "BIGINT NOT NULL",
        seek_count: i64 = "BIGINT NOT NULL",
        media_ms: i64 = "BIGINT NOT NULL",
        bitrate_kbps_media_ms: i64 = "BIGINT NOT NULL",
        scaled_media_ms: i64 = "BIGINT NOT NULL",
        upscale_media_ms: i64 = "BIGINT NOT NULL",
        downscale_media_ms: i64 = "BIGINT NOT NULL",
        latency_played_ms: i64 = "BIGINT NOT NULL",
        latency_ms_played_ms: i64 = "BIGINT NOT NULL",
        /// The latency that the last beacon told.
        latency_ms: Option<i64> = "BIGINT",
        switches_up: i64 = "BIGINT NOT NULL",
        switches_down: i64 = "BIGINT NOT NULL",
        decoded_frames: i64 = "BIGINT NOT NULL",
        dropped_frames: i64 = "BIGINT NOT NULL",
        requests: i64 = "BIGINT NOT NULL",
        requests_failed: i64 = "BIGINT NOT NULL",
        requests_cancelled: i64 = "BIGINT NOT NULL",
        bytes: i64 = "BIGINT NOT NULL",
        fatal: Option<String> = "VARCHAR",
        /// The message of the fatal error.
        fatal_message: Option<String> = "VARCHAR",
        ended: bool = "BOOLEAN NOT NULL",
        /// Since when it has been waiting for media; absent unless it is.
        #[serde(skip)]
        waiting_since_t_ms: Option<i64> = "BIGINT",
        /// Since when the page has been hidden; absent unless it is.
        #[serde(skip)]
        hidden_since_t_ms: Option<i64> = "BIGINT",
        /// For how long the page was hidden between play intent and first frame.
        #[serde(skip)]
        hidden_waiting_ms: i64 = "BIGINT NOT NULL",
        /// Events stored.
        events: i64 = "BIGINT NOT NULL",
        /// Events that were too many to be stored.
        events_dropped: i64 = "BIGINT NOT NULL",
    }
}

/// The counters that are rolled up.
macro_rules! growth {
    ($($name:ident,)*) => {
        table_row! {
            /// What the counters of some views grew by in ten seconds, each view weighted by what it stands for. There
            /// may be several rows for the same stretch and the same description.
            #[derive(Clone, Debug, Default, PartialEq)]
            pub(crate) struct RollupRow in "rollups" {
                site: Arc<str> = "VARCHAR NOT NULL",
                /// Start of the ten seconds.
                at_ms: i64 = "BIGINT NOT NULL",
                stream_type: Arc<str> = "VARCHAR NOT NULL",
                cdn_host: Arc<str> = "VARCHAR NOT NULL",
                country: Arc<str> = "VARCHAR NOT NULL",
                device: Arc<str> = "VARCHAR NOT NULL",
                $($name: f64 = "DOUBLE NOT NULL",)*
            }
        }

        /// What the counters of a view grew by from one beacon to the next.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct Growth {
            $(pub(crate) $name: i64,)*
        }

        impl Growth {
            /// From what a row has to what a beacon says.
            pub(crate) fn between(row: &ViewRow, counters: &Counters) -> Self {
                Self { $($name: (signed(counters.$name) - row.$name).max(0),)* }
            }
        }

        impl RollupRow {
            /// Adds what a view's counters grew by.
            pub(crate) fn add(&mut self, weight: f64, growth: &Growth) {
                $(self.$name += weight * growth.$name as f64;)*
            }
        }
    };
}

growth! {
    played_ms,
    rebuffer_ms,
    rebuffer_count,
    rebuffer_network_ms,
    media_ms,
    bitrate_kbps_media_ms,
    scaled_media_ms,
    upscale_media_ms,
    downscale_media_ms,
    latency_played_ms,
    latency_ms_played_ms,
    decoded_frames,
    dropped_frames,
    bytes,
}

table_row! {
    /// The events of one beacon.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub(crate) struct EventsRow in "events" {
        site: Arc<str> = "VARCHAR NOT NULL",
        view_id: Id = "VARCHAR NOT NULL",
        seq: i64 = "BIGINT NOT NULL",
        /// When the beacon was received.
        received_ms: i64 = "BIGINT NOT NULL",
        /// JSON: a list of them, as they were sent.
        body: String = "VARCHAR NOT NULL",
    }
}

table_row! {
    /// Concurrent viewers of a site in ten seconds.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub(crate) struct ConcurrencyRow in "concurrency" {
        site: Arc<str> = "VARCHAR NOT NULL",
        /// Start of the ten seconds.
        at_ms: i64 = "BIGINT NOT NULL",
        /// How often they were counted.
        samples: i64 = "BIGINT NOT NULL",
        /// Sum of these counts.
        viewers_sum: f64 = "DOUBLE NOT NULL",
        /// The largest of these counts.
        viewers_peak: f64 = "DOUBLE NOT NULL",
    }
}

table_row! {
    /// That a view, or a viewer's past, was deleted.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub(crate) struct TombstoneRow in "tombstones" {
        /// Of what it was, keyed: it does not tell.
        hash: Id = "VARCHAR NOT NULL",
        /// When it was deleted.
        at_ms: i64 = "BIGINT NOT NULL",
    }
}

/// What a view's player does, by the name that the schema has for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ViewState(pub(crate) PlaybackState);

impl ViewState {
    /// What each state is called.
    pub(crate) const NAMES: [&str; 8] = [
        Self(PlaybackState::Idle).name(),
        Self(PlaybackState::Starting).name(),
        Self(PlaybackState::Playing).name(),
        Self(PlaybackState::Paused).name(),
        Self(PlaybackState::Rebuffering).name(),
        Self(PlaybackState::Seeking).name(),
        Self(PlaybackState::Ended).name(),
        Self(PlaybackState::Failed).name(),
    ];

    /// As the schema spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self.0 {
            PlaybackState::Idle => "idle",
            PlaybackState::Starting => "starting",
            PlaybackState::Playing => "playing",
            PlaybackState::Paused => "paused",
            PlaybackState::Rebuffering => "rebuffering",
            PlaybackState::Seeking => "seeking",
            PlaybackState::Ended => "ended",
            PlaybackState::Failed => "failed",
        }
    }
}

impl ToSql for ViewState {
    fn to_sql(&self) -> duckdb::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for ViewState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(
            serde_json::from_value(value.as_str()?.into()).unwrap_or_default(),
        ))
    }
}

impl ToSql for SeqSet {
    fn to_sql(&self) -> duckdb::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for SeqSet {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self::parse(value.as_str()?))
    }
}

/// The collector bounds these numbers far below.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn as_json<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<Box<serde_json::value::RawValue>>(text) {
        Ok(raw) => raw.serialize(serializer),
        Err(_) => serializer.serialize_none(),
    }
}

fn as_object<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(None)?;
    for (name, value) in crate::sessions::dimensions::read(text) {
        object.serialize_entry(name, value)?;
    }
    object.end()
}
