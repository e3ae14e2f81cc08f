//! Content steering: a small JSON file, read again and again, that says which of several servers to fetch from.
//!
//! HLS calls them pathways (rfc8216bis, section 7; draft-pantos-content-steering), DASH service locations (ETSI TS 103 998). The file
//! is the same:
//!
//! ```json
//! {
//!   "VERSION": 1, "TTL": 300, "RELOAD-URI": "steer?session=1", "PATHWAY-PRIORITY": ["c", "a"],
//!   "PATHWAY-CLONES": [{ "BASE-ID": "a", "ID": "c", "URI-REPLACEMENT": { "HOST": "c.example", "PARAMS": { "token": "1" } } }]
//! }
//! ```
//!
//! Where it cannot be read or fetched one goes on with what one has, and asks again after the last [`SteeringManifest::ttl`]; not at
//! all after 410, and after 429 not before `Retry-After`.

use core::time::Duration;

use super::json::Json;
use super::{MAX_RENDITIONS, ManifestError, as_text};
use crate::presentation::{Protocol, Warning};
use crate::time::Bitrate;
use crate::url;

/// The largest steering manifest that is read, bytes.
pub const MAX_BYTES: u64 = 1024 * 1024;
/// To wait before the next request where no manifest says how long.
pub const DEFAULT_TTL: Duration = Duration::from_secs(300);
/// A shorter time to live counts as this one.
pub const MIN_TTL: Duration = Duration::from_secs(1);
/// A longer time to live counts as this one.
pub const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

const MAX_PATHWAYS: usize = 100;
/// Of a pathway clone.
const MAX_PARAMS: usize = 50;
const MAX_WARNINGS: usize = 100;

/// A steering manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SteeringManifest {
    /// To wait before the next request, within [`MIN_TTL`] and [`MAX_TTL`].
    pub ttl: Duration,
    /// Absolute URL of the next request, without what [`request_url`] adds; it lasts until another one is given.
    pub reload: String,
    /// Ids of pathways or service locations, the best first, each once; empty if it says nothing about that. Ids that are not known
    /// are to be passed over.
    pub priority: Vec<String>,
    /// Pathways that the manifest of the presentation does not list, in order: one may be the base of a later one.
    pub clones: Vec<PathwayClone>,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

/// A pathway that is like another one but for its URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathwayClone {
    /// The pathway that it is a copy of.
    pub base: String,
    /// Its own id.
    pub id: String,
    /// Replaces the host of every URL; empty if it stays. May bring a port.
    pub host: String,
    /// Query parameters of every URL: name and value. They replace those of the same name.
    pub params: Vec<(String, String)>,
    /// By `STABLE-VARIANT-ID`, absolute URLs that are used as they are (HLS only).
    pub variants: Vec<(String, String)>,
    /// The same by `STABLE-RENDITION-ID`.
    pub renditions: Vec<(String, String)>,
}

/// Reads a steering manifest that was fetched from `base`.
///
/// # Errors
/// If it is not JSON, of another version than 1, or beyond a limit.
pub fn parse(bytes: &[u8], base: &str) -> Result<SteeringManifest, ManifestError> {
    let text = as_text(bytes)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(ManifestError::Limit {
            line: 1,
            what: "the steering manifest is too long",
            limit: MAX_BYTES as usize,
        });
    }
    let mut json = Json::new(text);
    let mut reader = Reader::default();
    json.object(&mut |json, key| reader.member(json, key))?;
    json.end()?;
    reader.finish(base)
}

/// Where to ask: `url` and what the server is to know, the pathways that were fetched from since the last request (the current
/// one last), each with its throughput if known. Nothing is added if there are none. HLS tells only of the current one.
pub fn request_url(url: &str, protocol: Protocol, used: &[(&str, Option<Bitrate>)]) -> String {
    let (names, pathways) = match protocol {
        Protocol::Dash => (["_DASH_pathway", "_DASH_throughput"], used),
        Protocol::Hls => {
            let current = used.len().saturating_sub(1);
            (
                ["_HLS_pathway", "_HLS_throughput"],
                used.get(current..).unwrap_or_default(),
            )
        }
    };
    if pathways.is_empty() {
        return url.to_owned();
    }
    let mut ids = "%22".to_owned();
    let mut throughput = String::new();
    let mut is_known = false;
    for (i, (id, rate)) in pathways.iter().enumerate() {
        if i > 0 {
            ids.push(',');
            throughput.push(',');
        }
        encode(id, &mut ids, false);
        if let Some(rate) = rate {
            is_known = true;
            throughput.push_str(&rate.as_bps().to_string());
        }
    }
    ids.push_str("%22");
    let [pathway, rate] = names;
    let url = with_param(url, pathway, &ids);
    if is_known {
        with_param(&url, rate, &throughput)
    } else {
        url
    }
}

impl PathwayClone {
    /// The URL, on this pathway, of what the base has at `url`.
    pub fn url(&self, url: &str) -> String {
        let mut url = match self.host.as_str() {
            "" => url.to_owned(),
            host => with_host(url, host),
        };
        for (name, value) in &self.params {
            let mut encoded = (String::new(), String::new());
            encode(name, &mut encoded.0, false);
            encode(value, &mut encoded.1, true);
            url = with_param(&url, &encoded.0, &encoded.1);
        }
        url
    }

    /// The same for the playlist of a variant with a `STABLE-VARIANT-ID`.
    pub fn variant_url(&self, stable_id: &str, url: &str) -> String {
        self.listed(&self.variants, stable_id, url)
    }

    /// The same for the playlist of a rendition with a `STABLE-RENDITION-ID`.
    pub fn rendition_url(&self, stable_id: &str, url: &str) -> String {
        self.listed(&self.renditions, stable_id, url)
    }

    fn listed(&self, list: &[(String, String)], stable_id: &str, url: &str) -> String {
        match list.iter().find(|(id, _)| id == stable_id) {
            Some((_, replacement)) => replacement.clone(),
            None => self.url(url),
        }
    }
}

#[derive(Default)]
struct Reader {
    version: Option<f64>,
    ttl: Option<f64>,
    reload: Option<String>,
    priority: Vec<String>,
    /// `SERVICE-LOCATION-PRIORITY`, as early drafts of DASH have it.
    locations: Vec<String>,
    clones: Vec<PathwayClone>,
    warnings: Vec<Warning>,
}

impl Reader {
    fn member(&mut self, json: &mut Json<'_>, key: &str) -> Result<(), ManifestError> {
        match key {
            "VERSION" => self.version = json.number_or_skip()?,
            "TTL" => self.ttl = json.number_or_skip()?,
            "RELOAD-URI" => self.reload = json.string_or_skip()?,
            "PATHWAY-PRIORITY" => self.priority = self.ids(json)?,
            "SERVICE-LOCATION-PRIORITY" => self.locations = self.ids(json)?,
            "PATHWAY-CLONES" if json.kind() == '[' => {
                json.array(&mut |json| {
                    let clone = self.clone_of(json)?;
                    if let Some(odd) = self.refuses(&clone) {
                        self.warn(json, odd);
                    } else {
                        self.clones.push(clone);
                    }
                    Ok(())
                })?;
            }
            _ => json.skip()?,
        }
        Ok(())
    }

    fn ids(&mut self, json: &mut Json<'_>) -> Result<Vec<String>, ManifestError> {
        let mut ids: Vec<String> = Vec::new();
        if json.kind() != '[' {
            json.skip()?;
            return Ok(ids);
        }
        json.array(&mut |json| {
            let id = json.string_or_skip()?.filter(|id| !id.is_empty());
            match id {
                Some(id) if !ids.contains(&id) && ids.len() < MAX_PATHWAYS => ids.push(id),
                _ => self.warn(json, "a pathway is not named, named twice, or one too many"),
            }
            Ok(())
        })?;
        Ok(ids)
    }

    fn clone_of(&mut self, json: &mut Json<'_>) -> Result<PathwayClone, ManifestError> {
        let mut clone = PathwayClone::default();
        if json.kind() != '{' {
            json.skip()?;
            return Ok(clone);
        }
        json.object(&mut |json, key| {
            match key {
                "BASE-ID" => clone.base = json.string_or_skip()?.unwrap_or_default(),
                "ID" => clone.id = json.string_or_skip()?.unwrap_or_default(),
                "URI-REPLACEMENT" if json.kind() == '{' => {
                    json.object(&mut |json, key| {
                        match key {
                            "HOST" => clone.host = json.string_or_skip()?.unwrap_or_default(),
                            "PARAMS" => clone.params = self.map(json, false)?,
                            "PER-VARIANT-URIS" => clone.variants = self.map(json, true)?,
                            "PER-RENDITION-URIS" => clone.renditions = self.map(json, true)?,
                            _ => json.skip()?,
                        }
                        Ok(())
                    })?;
                }
                _ => json.skip()?,
            }
            Ok(())
        })?;
        Ok(clone)
    }

    /// Names and values, or names and absolute URLs.
    fn map(&mut self, json: &mut Json<'_>, urls: bool) -> Result<Vec<(String, String)>, ManifestError> {
        let mut map = Vec::new();
        let limit = if urls { MAX_RENDITIONS } else { MAX_PARAMS };
        if json.kind() != '{' {
            json.skip()?;
            return Ok(map);
        }
        json.object(&mut |json, key| {
            let value = json.string_or_skip()?;
            let value = match urls {
                true => value.and_then(|value| url::resolve("", &value).ok()),
                false => value,
            };
            match value {
                Some(value) if map.len() < limit && !key.is_empty() => map.push((key.to_owned(), value)),
                _ => self.warn(json, "a replacement is no text, no absolute URL, or one too many"),
            }
            Ok(())
        })?;
        Ok(map)
    }

    /// What keeps a clone from being used.
    fn refuses(&self, clone: &PathwayClone) -> Option<&'static str> {
        if clone.id.is_empty() || clone.base.is_empty() || clone.id == clone.base {
            return Some("a pathway clone needs an id, and that of another one");
        }
        if self.clones.len() == MAX_PATHWAYS || self.clones.iter().any(|other| other.id == clone.id) {
            return Some("there are two pathway clones of one id, or too many");
        }
        let strange = |c: char| c.is_ascii() && !(c.is_ascii_alphanumeric() || ".-_:[]".contains(c));
        clone
            .host
            .contains(strange)
            .then_some("the host of a pathway clone is none")
    }

    fn finish(mut self, base: &str) -> Result<SteeringManifest, ManifestError> {
        if self.version != Some(1.0) {
            return Err(ManifestError::Unsupported(
                "a steering manifest of another version than 1",
            ));
        }
        let end = Json::new("");
        if self.priority.is_empty() {
            self.priority = self.locations.split_off(0);
        }
        if self.priority.is_empty() {
            self.warn(&end, "there is no PATHWAY-PRIORITY");
        }
        let ttl = match self.ttl {
            Some(ttl) if ttl >= 0.0 => {
                let bounded = ttl.clamp(MIN_TTL.as_secs_f64(), MAX_TTL.as_secs_f64());
                Duration::from_millis((bounded * 1000.0) as u64)
            }
            _ => {
                self.warn(&end, "there is no TTL: 300 s");
                DEFAULT_TTL
            }
        };
        let reload = match self.reload.take() {
            Some(reload) => match url::resolve(base, &reload) {
                Ok(reload) => reload,
                Err(_) => {
                    self.warn(&end, "RELOAD-URI cannot be used");
                    base.to_owned()
                }
            },
            None => base.to_owned(),
        };
        Ok(SteeringManifest {
            ttl,
            reload,
            priority: self.priority,
            clones: self.clones,
            warnings: self.warnings,
        })
    }

    fn warn(&mut self, json: &Json<'_>, message: &str) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(Warning {
                line: json.line(),
                message: message.to_owned(),
            });
        }
    }
}

/// The URL on another host. The port stays unless the host brings one; a user's name goes, it was for the other host.
fn with_host(url: &str, host: &str) -> String {
    let split = url.split_once(':');
    let Some((scheme, rest)) = split.and_then(|(scheme, rest)| Some((scheme, rest.strip_prefix("//")?)))
    else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let port = match port_of(host) {
        "" => port_of(authority),
        _ => "",
    };
    let mut out = String::with_capacity(url.len() + host.len());
    for part in [scheme, "://", host, port, path] {
        out.push_str(part);
    }
    out
}

/// The port of an authority, with its colon.
fn port_of(authority: &str) -> &str {
    let colon = authority.rfind(':');
    let port = colon.and_then(|at| authority.get(at..)).unwrap_or_default();
    let digits = port.get(1..).unwrap_or_default();
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        port
    } else {
        ""
    }
}

/// The URL with a query parameter, both parts of which are encoded, in place of one of its name or at the end. All else stays as it is
/// to the byte: signed URLs depend on that.
pub(crate) fn with_param(url: &str, name: &str, value: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut out = String::with_capacity(url.len() + name.len() + value.len() + 2);
    out.push_str(path);
    let mut separator = '?';
    let mut is_set = false;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if pair.split('=').next() != Some(name) {
            out.push(separator);
            out.push_str(pair);
        } else if !is_set {
            is_set = true;
            push_param(&mut out, separator, name, value);
        } else {
            continue;
        }
        separator = '&';
    }
    if !is_set {
        push_param(&mut out, separator, name, value);
    }
    out
}

fn push_param(out: &mut String, separator: char, name: &str, value: &str) {
    out.push(separator);
    for part in [name, "=", value] {
        out.push_str(part);
    }
}

/// Percent-encodes what is not unreserved (RFC 3986, 2.3); of a `value` only what would not stay in a query, or would end the
/// parameter, for tokens are compared to the byte.
pub(crate) fn encode(text: &str, out: &mut String, value: bool) {
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || (value && b"!$'()*+,;=:@/?%".contains(&byte));
        if plain {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(HEX.get(usize::from(digit)).map_or('0', |d| char::from(*d)));
            }
        }
    }
}
