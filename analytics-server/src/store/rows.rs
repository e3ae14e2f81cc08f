//! The tables.
//!
//! `views` has one row a view with numerators and denominators, never ratios; it is also the whole state of a view
//! that sessions need after a restart. `beats` has what each beacon added to them, so that ratios can be had for any
//! stretch of time. `events` serves the timeline of one view. `concurrency` is a sample of viewers every ten seconds.

use serde::Serialize;

use super::table::table_row;

table_row! {
    /// One view. Column names ending in `_ms` are milliseconds; `start_ms`, `anchor_ms` and `last_beat_ms` since the
    /// Unix epoch by the server's clock, `…_t_ms` since the view's start.
    #[derive(Clone, Debug, Default, PartialEq, Serialize)]
    pub(crate) struct ViewRow in "views" {
        site: String = "VARCHAR NOT NULL",
        view_id: String = "VARCHAR NOT NULL",
        session_id: String = "VARCHAR NOT NULL",
        start_ms: i64 = "BIGINT NOT NULL",
        /// The start by which the rows of `beats` were dated.
        #[serde(skip)]
        anchor_ms: i64 = "BIGINT NOT NULL",
        last_beat_ms: i64 = "BIGINT NOT NULL",
        last_t_ms: i64 = "BIGINT NOT NULL",
        /// Server's clock minus client's clock: the least `received − sent` of the view.
        clock_skew_ms: i64 = "BIGINT NOT NULL",
        max_seq: i64 = "BIGINT NOT NULL",
        /// Distinct beacons.
        beacons: i64 = "BIGINT NOT NULL",
        /// The `seq`s of these beacons, as `0-7,9`.
        #[serde(skip)]
        seen: String = "VARCHAR NOT NULL",
        state: String = "VARCHAR NOT NULL",
        /// The last beacon said that the view ended.
        view_end: bool = "BOOLEAN NOT NULL",
        /// How many views it stands for: 1 ÷ sample rate.
        weight: f64 = "DOUBLE NOT NULL",
        /// The beacon that brought the description; -1 if none did.
        #[serde(skip)]
        info_seq: i64 = "BIGINT NOT NULL",
        source: String = "VARCHAR NOT NULL",
        protocol: String = "VARCHAR NOT NULL",
        stream_type: String = "VARCHAR NOT NULL",
        video_id: String = "VARCHAR NOT NULL",
        video_title: String = "VARCHAR NOT NULL",
        viewer_id: String = "VARCHAR NOT NULL",
        duration_ms: i64 = "BIGINT NOT NULL",
        player: String = "VARCHAR NOT NULL",
        abr: String = "VARCHAR NOT NULL",
        device: String = "VARCHAR NOT NULL",
        browser: String = "VARCHAR NOT NULL",
        os: String = "VARCHAR NOT NULL",
        page_host: String = "VARCHAR NOT NULL",
        cdn_host: String = "VARCHAR NOT NULL",
        /// JSON: the renditions, lowest bitrate first.
        #[serde(serialize_with = "as_json")]
        ladder: String = "VARCHAR NOT NULL",
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

table_row! {
    /// What one beacon added to its view's counters.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub(crate) struct BeatRow in "beats" {
        site: String = "VARCHAR NOT NULL",
        view_id: String = "VARCHAR NOT NULL",
        /// The view's start plus the beacon's time in the view.
        at_ms: i64 = "BIGINT NOT NULL",
        weight: f64 = "DOUBLE NOT NULL",
        played_ms: i64 = "BIGINT NOT NULL",
        rebuffer_ms: i64 = "BIGINT NOT NULL",
        rebuffer_count: i64 = "BIGINT NOT NULL",
        rebuffer_network_ms: i64 = "BIGINT NOT NULL",
        media_ms: i64 = "BIGINT NOT NULL",
        bitrate_kbps_media_ms: i64 = "BIGINT NOT NULL",
        decoded_frames: i64 = "BIGINT NOT NULL",
        dropped_frames: i64 = "BIGINT NOT NULL",
        bytes: i64 = "BIGINT NOT NULL",
    }
}

table_row! {
    /// One event of a view.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub(crate) struct EventRow in "events" {
        site: String = "VARCHAR NOT NULL",
        view_id: String = "VARCHAR NOT NULL",
        seq: i64 = "BIGINT NOT NULL",
        /// Its place in the beacon.
        place: i64 = "BIGINT NOT NULL",
        t_ms: i64 = "BIGINT NOT NULL",
        /// The event as it was sent.
        body: String = "VARCHAR NOT NULL",
    }
}

table_row! {
    /// Concurrent viewers of a site in ten seconds.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub(crate) struct ConcurrencyRow in "concurrency" {
        site: String = "VARCHAR NOT NULL",
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
    /// Not stored: a view's beats that are stored already move in time.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub(crate) struct ShiftRow in "shifts" {
        site: String = "VARCHAR NOT NULL",
        view_id: String = "VARCHAR NOT NULL",
        shift_ms: i64 = "BIGINT NOT NULL",
    }
}

fn as_json<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<Box<serde_json::value::RawValue>>(text) {
        Ok(raw) => raw.serialize(serializer),
        Err(_) => serializer.serialize_none(),
    }
}
