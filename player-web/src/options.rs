//! What a driver is made with: the options of `ts/options.ts`, and what the page knows of its surroundings.

use player_core::Config;
use wasm_bindgen::JsValue;

use crate::fields::{FieldError, Fields};

/// `{ abr, buffer, retry, telemetry, beaconUrl, record }`; what is absent has the engine's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The engine's configuration. Its seed is drawn by the driver.
    pub config: Config,
    /// Where beacons go; without it there are none.
    pub beacon_url: Option<String>,
    /// Record a log of inputs and outputs, in memory, up to a few megabytes.
    pub record: bool,
}

impl Options {
    /// Reads the object.
    ///
    /// # Errors
    /// If it holds what it should not; the error names the field.
    pub fn read(value: &JsValue) -> Result<Self, FieldError> {
        let options = Fields::new(value, "options")?;
        options.only(&["abr", "beaconUrl", "buffer", "record", "retry", "telemetry"])?;
        let mut config = Config::default();
        abr(&options.object("abr")?, &mut config)?;
        buffer(&options.object("buffer")?, &mut config)?;
        retry(&options.object("retry")?, &mut config)?;
        telemetry(&options.object("telemetry")?, &mut config)?;
        Ok(Self {
            config,
            beacon_url: options.string("beaconUrl")?,
            record: options.boolean("record")?.unwrap_or(false),
        })
    }
}

fn abr(fields: &Fields, config: &mut Config) -> Result<(), FieldError> {
    fields.only(&[
        "abandonment",
        "algorithm",
        "capToElementSize",
        "initialThroughputKbps",
        "maxBandwidthKbps",
    ])?;
    let abr = &mut config.abr;
    if let Some(name) = fields.string("algorithm")? {
        abr.algorithm = name.parse().map_err(|why| FieldError::Value {
            path: fields.path_of("algorithm"),
            why,
        })?;
    }
    set(
        &mut abr.initial_throughput_kbps,
        fields.nullable_number("initialThroughputKbps")?,
    );
    set(
        &mut abr.max_bandwidth_kbps,
        fields.nullable_number("maxBandwidthKbps")?,
    );
    set(&mut abr.cap_to_element_size, fields.boolean("capToElementSize")?);
    set(&mut abr.abandonment, fields.boolean("abandonment")?);
    Ok(())
}

fn buffer(fields: &Fields, config: &mut Config) -> Result<(), FieldError> {
    fields.only(&["backS", "goalS"])?;
    set(&mut config.buffer.goal_s, fields.number("goalS")?);
    set(&mut config.buffer.back_s, fields.number("backS")?);
    Ok(())
}

fn retry(fields: &Fields, config: &mut Config) -> Result<(), FieldError> {
    fields.only(&[
        "backoffMs",
        "manifestAttempts",
        "segmentAttempts",
        "stallTimeoutMs",
        "ttfbTimeoutMs",
    ])?;
    let retry = &mut config.retry;
    set(
        &mut retry.manifest_attempts,
        fields.number("manifestAttempts")?.map(|n| n as u32),
    );
    set(
        &mut retry.segment_attempts,
        fields.number("segmentAttempts")?.map(|n| n as u32),
    );
    set(
        &mut retry.backoff_ms,
        fields.number("backoffMs")?.map(|n| n as u64),
    );
    set(
        &mut retry.ttfb_timeout_ms,
        fields.number("ttfbTimeoutMs")?.map(|n| n as u64),
    );
    set(
        &mut retry.stall_timeout_ms,
        fields.number("stallTimeoutMs")?.map(|n| n as u64),
    );
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

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
