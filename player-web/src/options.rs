//! What a driver is made with: the options of `ts/options.ts`, and what the page knows of its surroundings.

use js_sys::Function;
use player_core::Config;
use player_core::abr::Utility;
use player_core::config::{CmcdMode, CmcdTarget, Preset, RetryPolicy};
use wasm_bindgen::JsValue;

use crate::fields::{FieldError, Fields};

/// `{ abr, buffer, cmcd, request, retry, telemetry, tracks, beaconUrl, record }`; what is absent has the engine's default.
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
}

impl Options {
    /// Reads the object.
    ///
    /// # Errors
    /// If it holds what it should not; the error names the field.
    pub fn read(value: &JsValue) -> Result<Self, FieldError> {
        let options = Fields::new(value, "options")?;
        options.only(&[
            "abr",
            "beaconUrl",
            "buffer",
            "cmcd",
            "record",
            "request",
            "retry",
            "telemetry",
            "tracks",
        ])?;
        let mut config = Config::default();
        abr(&options.object("abr")?, &mut config)?;
        buffer(&options.object("buffer")?, &mut config)?;
        cmcd(&options.object("cmcd")?, &mut config)?;
        retry(&options.object("retry")?, &mut config)?;
        telemetry(&options.object("telemetry")?, &mut config)?;
        tracks(&options.object("tracks")?, &mut config)?;
        let request = options.function("request")?;
        config.retry.authorization = request.is_some();
        Ok(Self {
            config,
            beacon_url: options.string("beaconUrl")?,
            record: options.boolean("record")?.unwrap_or(false),
            request,
        })
    }
}

fn abr(fields: &Fields, config: &mut Config) -> Result<(), FieldError> {
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
    ])?;
    let abr = &mut config.abr;
    if let Some(name) = fields.string("algorithm")? {
        abr.algorithm = name.parse().map_err(|why| FieldError::Value {
            path: fields.path_of("algorithm"),
            why,
        })?;
    }
    if let Some(preset) = one_of(fields, "preset", &Preset::ALL.map(|p| (p.name(), p)))? {
        abr.preset = preset;
    }
    abr.utility = one_of(
        fields,
        "utility",
        &[
            ("bitrate", Utility::Bitrate),
            ("log_bitrate", Utility::LogBitrate),
            ("quality", Utility::Quality),
        ],
    )?;
    abr.stall_cost = within(fields, "stallCost", 0, 100)?;
    abr.rise_cost = within(fields, "riseCost", -1, 100)?;
    abr.fall_cost = within(fields, "fallCost", 0, 100)?;
    set(
        &mut abr.horizon,
        within(fields, "horizon", 1, 20)?.map(|segments| segments as u32),
    );
    set(
        &mut abr.initial_throughput_kbps,
        fields.nullable_number("initialThroughputKbps")?,
    );
    set(
        &mut abr.max_bandwidth_kbps,
        fields.nullable_number("maxBandwidthKbps")?,
    );
    set(
        &mut abr.max_height,
        fields
            .nullable_number("maxHeight")?
            .map(|lines| lines.map(|lines| lines as u32)),
    );
    set(
        &mut abr.max_dropped_frames,
        fields.nullable_number("maxDroppedFrames")?,
    );
    set(&mut abr.cap_to_element_size, fields.boolean("capToElementSize")?);
    set(&mut abr.follow_save_data, fields.boolean("followSaveData")?);
    set(&mut abr.abandonment, fields.boolean("abandonment")?);
    Ok(())
}

/// One of the names, which are written with hyphens on the web.
fn one_of<T: Copy>(fields: &Fields, name: &str, known: &[(&str, T)]) -> Result<Option<T>, FieldError> {
    let Some(text) = fields.string(name)? else {
        return Ok(None);
    };
    let spelt = |name: &str| name.replace('_', "-");
    if let Some((_, value)) = known.iter().find(|(name, _)| spelt(name) == text) {
        return Ok(Some(*value));
    }
    let names: Vec<_> = known.iter().map(|(name, _)| spelt(name)).collect();
    Err(FieldError::Value {
        path: fields.path_of(name),
        why: format!("unknown value \"{text}\"; known are {}", names.join(", ")),
    })
}

/// The bounds are whole: writing out a fraction takes ten kilobytes of Wasm.
fn within(fields: &Fields, name: &str, min: i32, max: i32) -> Result<Option<f64>, FieldError> {
    let number = fields.number(name)?;
    if number.is_none_or(|number| (f64::from(min)..=f64::from(max)).contains(&number)) {
        return Ok(number);
    }
    Err(FieldError::Value {
        path: fields.path_of(name),
        why: format!("it must be from {min} to {max}"),
    })
}

fn buffer(fields: &Fields, config: &mut Config) -> Result<(), FieldError> {
    fields.only(&["backS", "goalS"])?;
    set(&mut config.buffer.goal_s, fields.number("goalS")?);
    set(&mut config.buffer.back_s, fields.number("backS")?);
    Ok(())
}

/// What is said for all kinds of request, and then what is said for each.
fn retry(fields: &Fields, config: &mut Config) -> Result<(), FieldError> {
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
    fields.only(&[POLICY.as_slice(), &KINDS, &["outageMs"]].concat())?;
    let outage = fields.number("outageMs")?.map(|number| number as u64);
    set(&mut config.retry.outage_ms, outage);
    for (kind, policy) in KINDS.into_iter().zip(config.retry.policies_mut()) {
        retry_policy(fields, policy)?;
        let own = fields.object(kind)?;
        own.only(&POLICY)?;
        retry_policy(&own, policy)?;
    }
    Ok(())
}

fn retry_policy(fields: &Fields, policy: &mut RetryPolicy) -> Result<(), FieldError> {
    let count = |name| Ok::<_, FieldError>(fields.number(name)?.map(|number| number as u64));
    set(
        &mut policy.attempts,
        count("attempts")?.map(|number| number.min(100) as u32),
    );
    set(&mut policy.backoff_ms, count("backoffMs")?);
    set(&mut policy.jitter, within(fields, "jitter", 0, 1)?);
    set(&mut policy.max_backoff_ms, count("maxBackoffMs")?);
    set(&mut policy.stall_timeout_ms, count("stallTimeoutMs")?);
    set(&mut policy.total_timeout_ms, count("totalTimeoutMs")?);
    set(&mut policy.ttfb_timeout_ms, count("ttfbTimeoutMs")?);
    Ok(())
}

fn cmcd(fields: &Fields, config: &mut Config) -> Result<(), FieldError> {
    fields.only(&[
        "contentId",
        "includeKeys",
        "keys",
        "mode",
        "sessionId",
        "targets",
        "version",
    ])?;
    let cmcd = &mut config.cmcd;
    let modes = [
        ("header", CmcdMode::Header),
        ("off", CmcdMode::Off),
        ("query", CmcdMode::Query),
    ];
    set(&mut cmcd.mode, one_of(fields, "mode", &modes)?);
    set(
        &mut cmcd.version,
        within(fields, "version", 1, 2)?.map(|version| version as u8),
    );
    set(&mut cmcd.session_id, fields.string("sessionId")?);
    set(&mut cmcd.content_id, fields.string("contentId")?);
    set(&mut cmcd.include_keys, fields.boolean("includeKeys")?);
    cmcd.keys = fields.strings("keys")?;
    for fields in fields.objects("targets")? {
        fields.only(&["batch", "events", "intervalS", "keys", "url"])?;
        let mut target = CmcdTarget {
            url: fields
                .string("url")?
                .ok_or(FieldError::Missing("target of CMCD", "url"))?,
            events: fields.strings("events")?,
            keys: fields.strings("keys")?,
            ..CmcdTarget::default()
        };
        set(
            &mut target.interval_s,
            fields.number("intervalS")?.map(|seconds| seconds as u32),
        );
        set(
            &mut target.batch,
            fields.number("batch")?.map(|number| number as u32),
        );
        cmcd.targets.push(target);
    }
    Ok(())
}

fn telemetry(fields: &Fields, config: &mut Config) -> Result<(), FieldError> {
    fields.only(&["browser", "device", "os", "pageHost", "site", "viewerId"])?;
    let telemetry = &mut config.telemetry;
    set(&mut telemetry.site, fields.string("site")?);
    set(&mut telemetry.viewer_id, fields.string("viewerId")?);
    set(&mut telemetry.device, fields.string("device")?);
    set(&mut telemetry.browser, fields.string("browser")?);
    set(&mut telemetry.os, fields.string("os")?);
    set(&mut telemetry.page_host, fields.string("pageHost")?);
    Ok(())
}

fn tracks(fields: &Fields, config: &mut Config) -> Result<(), FieldError> {
    fields.only(&["audioLanguage", "defaultText", "textLanguage"])?;
    let tracks = &mut config.tracks;
    set(&mut tracks.audio_language, fields.string("audioLanguage")?);
    set(&mut tracks.text_language, fields.string("textLanguage")?);
    set(&mut tracks.default_text, fields.boolean("defaultText")?);
    Ok(())
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
