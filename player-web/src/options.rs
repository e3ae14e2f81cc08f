//! What a driver is made with: the options of `ts/options.ts`, and what the page knows of its surroundings.

use js_sys::Function;
use player_core::Config;
use player_core::abr::Utility;
use player_core::config::{CmcdMode, CmcdTarget, Preset, RetryPolicy};
use player_core::drm::SpcForm;
use player_core::telemetry::schema::{Dimension, Experiment, MAX_DIMENSION_VALUE_BYTES, MAX_DIMENSIONS};
use wasm_bindgen::JsValue;

use crate::drm;
use crate::fields::{Faults, FieldError, Fields};

/// `{ abr, buffer, cmcd, drm, live, request, retry, signing, telemetry, tracks, beaconUrl, record }`; what is absent has the engine's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The engine's configuration. Its seed is drawn by the driver.
    pub config: Config,
    /// Where beacons go; without it there are none.
    pub beacon_url: Option<String>,
    /// Record a log of inputs and outputs, in memory, up to a few megabytes.
    pub record: bool,
    /// Called before each request; what it returns changes the request.
    pub request: Option<Function>,
    /// How FairPlay's licence server wants its requests.
    pub spc: SpcForm,
    /// Who puts tokens into URLs.
    pub signing: Option<Signing>,
}

/// Signed URLs: the driver and the engine see none of their tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Signing {
    /// `fetch(url, init)`, in place of the global one.
    pub fetch: Function,
    /// `mask(url)`: the URL of a response without its token.
    pub mask: Function,
}

impl Options {
    /// Reads the object.
    ///
    /// # Errors
    /// If it holds what it should not; the error names the field.
    pub fn read(value: &JsValue) -> Result<Self, FieldError> {
        let faults = Faults::default();
        let options = Fields::new(value, "options", &faults);
        options.only(&[
            "abr",
            "beaconUrl",
            "buffer",
            "cmcd",
            "drm",
            "live",
            "record",
            "request",
            "retry",
            "signing",
            "telemetry",
            "tracks",
        ]);
        let mut config = Config::default();
        abr(&options.object("abr"), &mut config);
        buffer(&options.object("buffer"), &mut config);
        cmcd(&options.object("cmcd"), &mut config);
        let spc = drm::options::read(&options.object("drm"), &mut config.drm);
        live(&options.object("live"), &mut config);
        retry(&options.object("retry"), &mut config);
        telemetry(&options.object("telemetry"), &mut config);
        tracks(&options.object("tracks"), &mut config);
        let request = options.function("request");
        config.retry.authorization = request.is_some();
        let signing = options.object("signing");
        let signing = signing.function("fetch").zip(signing.function("mask"));
        let read = Self {
            config,
            beacon_url: options.string("beaconUrl"),
            record: options.flag("record"),
            request,
            spc,
            signing: signing.map(|(fetch, mask)| Signing { fetch, mask }),
        };
        faults.check(read)
    }
}

fn abr(fields: &Fields<'_>, config: &mut Config) {
    fields.only(&[
        "abandonment",
        "algorithm",
        "capToElementSize",
        "fallCost",
        "followSaveData",
        "horizon",
        "initialThroughputKbps",
        "maxBandwidthKbps",
        "maxDroppedFrames",
        "maxHeight",
        "preset",
        "riseCost",
        "stallCost",
        "utility",
    ]);
    let abr = &mut config.abr;
    if let Some(name) = fields.string("algorithm") {
        match name.parse() {
            Ok(algorithm) => abr.algorithm = algorithm,
            Err(why) => fields.refuse("algorithm", why),
        }
    }
    set(
        &mut abr.preset,
        one_of(fields, "preset", &Preset::ALL.map(|p| (p.name(), p))),
    );
    let utilities = [
        ("bitrate", Utility::Bitrate),
        ("log_bitrate", Utility::LogBitrate),
        ("quality", Utility::Quality),
    ];
    abr.utility = one_of(fields, "utility", &utilities);
    abr.stall_cost = within(fields, "stallCost", 0, 100);
    abr.rise_cost = within(fields, "riseCost", -1, 100);
    abr.fall_cost = within(fields, "fallCost", 0, 100);
    set(
        &mut abr.horizon,
        within(fields, "horizon", 1, 20).map(|segments| segments as u32),
    );
    set(
        &mut abr.initial_throughput_kbps,
        fields.nullable_number("initialThroughputKbps"),
    );
    set(
        &mut abr.max_bandwidth_kbps,
        fields.nullable_number("maxBandwidthKbps"),
    );
    set(
        &mut abr.max_height,
        fields
            .nullable_number("maxHeight")
            .map(|lines| lines.map(|lines| lines as u32)),
    );
    set(
        &mut abr.max_dropped_frames,
        fields.nullable_number("maxDroppedFrames"),
    );
    set(&mut abr.cap_to_element_size, fields.boolean("capToElementSize"));
    set(&mut abr.follow_save_data, fields.boolean("followSaveData"));
    set(&mut abr.abandonment, fields.boolean("abandonment"));
}

/// One of the names, which are written with hyphens on the web.
pub(crate) fn one_of<T: Copy>(fields: &Fields<'_>, name: &str, known: &[(&str, T)]) -> Option<T> {
    let text = fields.string(name)?;
    let spelt = |name: &str| name.replace('_', "-");
    if let Some((_, value)) = known.iter().find(|(name, _)| spelt(name) == text) {
        return Some(*value);
    }
    let names: Vec<_> = known.iter().map(|(name, _)| spelt(name)).collect();
    let why = ["unknown value \"", &text, "\"; known are ", &names.join(", ")];
    fields.refuse(name, why.concat());
    None
}

/// The bounds are whole: writing out a fraction takes ten kilobytes of Wasm.
fn within(fields: &Fields<'_>, name: &str, min: i32, max: i32) -> Option<f64> {
    let number = fields.number(name)?;
    if !(f64::from(min)..=f64::from(max)).contains(&number) {
        fields.refuse(name, format!("it must be from {min} to {max}"));
    }
    Some(number)
}

fn buffer(fields: &Fields<'_>, config: &mut Config) {
    fields.only(&["backS", "goalS"]);
    set(&mut config.buffer.goal_s, fields.number("goalS"));
    set(&mut config.buffer.back_s, fields.number("backS"));
}

fn live(fields: &Fields<'_>, config: &mut Config) {
    fields.only(&["latencyS", "maxDriftS", "maxRate", "minRate", "parts"]);
    let live = &mut config.live;
    live.latency_s = fields.number("latencyS").or(live.latency_s);
    set(&mut live.max_drift_s, fields.number("maxDriftS"));
    set(&mut live.max_rate, within(fields, "maxRate", 1, 2));
    set(&mut live.min_rate, within(fields, "minRate", 0, 1));
    set(&mut live.parts, fields.boolean("parts"));
}

/// What is said for all kinds of request, and then what is said for each.
fn retry(fields: &Fields<'_>, config: &mut Config) {
    const POLICY: [&str; 7] = [
        "attempts",
        "backoffMs",
        "jitter",
        "maxBackoffMs",
        "stallTimeoutMs",
        "totalTimeoutMs",
        "ttfbTimeoutMs",
    ];
    const KINDS: [&str; 10] = [
        "manifest", "playlist", "segment", "init", "text", "key", "licence", "steering", "clock", "table",
    ];
    fields.only(&[POLICY.as_slice(), &KINDS, &["outageMs"]].concat());
    let outage = fields.number("outageMs").map(|number| number as u64);
    set(&mut config.retry.outage_ms, outage);
    for (kind, policy) in KINDS.into_iter().zip(config.retry.policies_mut()) {
        retry_policy(fields, policy);
        let own = fields.object(kind);
        own.only(&POLICY);
        retry_policy(&own, policy);
    }
}

fn retry_policy(fields: &Fields<'_>, policy: &mut RetryPolicy) {
    let count = |name| fields.number(name).map(|number| number as u64);
    set(
        &mut policy.attempts,
        count("attempts").map(|number| number.min(100) as u32),
    );
    set(&mut policy.jitter, within(fields, "jitter", 0, 1));
    for (name, field) in [
        ("backoffMs", &mut policy.backoff_ms),
        ("maxBackoffMs", &mut policy.max_backoff_ms),
        ("stallTimeoutMs", &mut policy.stall_timeout_ms),
        ("totalTimeoutMs", &mut policy.total_timeout_ms),
        ("ttfbTimeoutMs", &mut policy.ttfb_timeout_ms),
    ] {
        set(field, count(name));
    }
}

fn cmcd(fields: &Fields<'_>, config: &mut Config) {
    fields.only(&[
        "contentId",
        "includeKeys",
        "keys",
        "mode",
        "sessionId",
        "targets",
        "version",
    ]);
    let cmcd = &mut config.cmcd;
    let modes = [
        ("header", CmcdMode::Header),
        ("off", CmcdMode::Off),
        ("query", CmcdMode::Query),
    ];
    set(&mut cmcd.mode, one_of(fields, "mode", &modes));
    set(
        &mut cmcd.version,
        within(fields, "version", 1, 2).map(|version| version as u8),
    );
    set(&mut cmcd.session_id, fields.string("sessionId"));
    set(&mut cmcd.content_id, fields.string("contentId"));
    set(&mut cmcd.include_keys, fields.boolean("includeKeys"));
    cmcd.keys = fields.strings("keys");
    for fields in fields.objects("targets") {
        fields.only(&["batch", "events", "intervalS", "keys", "url"]);
        let url = fields.string("url");
        if url.is_none() {
            fields.missing("target of CMCD", "url");
        }
        let mut target = CmcdTarget {
            url: url.unwrap_or_default(),
            events: fields.strings("events"),
            keys: fields.strings("keys"),
            ..CmcdTarget::default()
        };
        set(
            &mut target.interval_s,
            fields.number("intervalS").map(|seconds| seconds as u32),
        );
        set(
            &mut target.batch,
            fields.number("batch").map(|number| number as u32),
        );
        cmcd.targets.push(target);
    }
}

fn telemetry(fields: &Fields<'_>, config: &mut Config) {
    fields.only(&[
        "browser",
        "device",
        "dimensions",
        "experiment",
        "network",
        "os",
        "pageHost",
        "site",
        "viewerId",
    ]);
    let telemetry = &mut config.telemetry;
    for (name, field) in [
        ("site", &mut telemetry.site),
        ("viewerId", &mut telemetry.viewer_id),
        ("device", &mut telemetry.device),
        ("browser", &mut telemetry.browser),
        ("os", &mut telemetry.os),
        ("network", &mut telemetry.network),
        ("pageHost", &mut telemetry.page_host),
    ] {
        set(field, fields.string(name));
    }
    telemetry.experiment = fields.nullable_object("experiment").map(|experiment| {
        experiment.only(&["arm", "name", "probability"]);
        let probability = within(&experiment, "probability", 0, 1);
        let (name, arm) = (experiment.text("name"), experiment.text("arm"));
        if name.is_empty() || arm.is_empty() {
            experiment.missing("experiment", "name` and an `arm");
        }
        Experiment {
            name,
            arm,
            probability: probability.filter(|share| *share > 0.0),
        }
    });
    for dimension in fields.objects("dimensions") {
        let (name, value) = (dimension.text("name"), dimension.text("value"));
        let fits = Dimension::is_name(&name) && value.len() <= MAX_DIMENSION_VALUE_BYTES;
        if !fits || telemetry.dimensions.len() == MAX_DIMENSIONS {
            let why =
                "at most 10, with names of 1 to 40 letters, digits, _ or -, and values of at most 200 bytes";
            fields.refuse("dimensions", why.to_owned());
        }
        telemetry.dimensions.push(Dimension { name, value });
    }
}

fn tracks(fields: &Fields<'_>, config: &mut Config) {
    fields.only(&["audioLanguage", "defaultText", "textLanguage"]);
    let tracks = &mut config.tracks;
    set(&mut tracks.audio_language, fields.string("audioLanguage"));
    set(&mut tracks.text_language, fields.string("textLanguage"));
    set(&mut tracks.default_text, fields.boolean("defaultText"));
}

pub(crate) fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
