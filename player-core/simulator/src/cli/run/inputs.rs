//! What a run needs: traces, content, the engine's configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use player_core::Config;
use player_core::config::Preset;
use simulator::batch::{self, FamilyTrace};
use simulator::cdm::Scenario;
use simulator::generate::{self, Kind};
use simulator::origin::Origin;
use simulator::{Content, Objective, score};

/// The content of each family, by the values of `--content` and what the generators bring along.
pub(super) struct Contents<'a> {
    /// By family; `None` is for all that are not named.
    files: BTreeMap<Option<&'a str>, &'a Path>,
    /// Kinds of network whose own content may be used.
    generated: &'a [Kind],
}

impl<'a> Contents<'a> {
    /// Reads `FILE` and `FAMILY=FILE`; a generated family without one has the content that suits it.
    pub(super) fn parse(content: &'a [String], generated: &'a [Kind]) -> Result<Self> {
        let mut files = BTreeMap::new();
        for content in content {
            let (family, file) = match content.split_once('=') {
                Some((family, file)) if !family.contains(['/', '\\']) => (Some(family), file),
                _ => (None, content.as_str()),
            };
            if files.insert(family, Path::new(file)).is_some() {
                match family {
                    Some(family) => bail!("--content is given twice for the family {family}"),
                    None => bail!(
                        "--content is given twice for all families; name the family of one: FAMILY=FILE"
                    ),
                }
            }
        }
        Ok(Self { files, generated })
    }

    /// An origin for each family of the traces.
    pub(super) fn origins(
        &self,
        traces: &[FamilyTrace],
        objective: &Objective,
        buffer_s: f64,
        audio_kbps: Option<f64>,
        drm: Option<&Scenario>,
    ) -> Result<BTreeMap<String, Arc<Origin>>> {
        let mut families: Vec<&str> = traces.iter().map(|trace| trace.family.as_str()).collect();
        families.dedup();
        if let Some(unknown) = self
            .files
            .keys()
            .flatten()
            .find(|family| !families.contains(family))
        {
            bail!(
                "--content names the family {unknown}, but the traces are of {}",
                families.join(", ")
            );
        }
        let mut read: BTreeMap<&Path, Arc<Origin>> = BTreeMap::new();
        let mut origins = BTreeMap::new();
        for family in families {
            let file = self
                .files
                .get(&Some(family))
                .or_else(|| self.files.get(&None))
                .copied();
            let kind = self.generated.iter().find(|kind| kind.name() == family);
            let made = |content| {
                let origin = origin(content, objective, buffer_s, audio_kbps)?;
                Ok::<_, anyhow::Error>(Arc::new(match drm {
                    Some(scenario) => origin.protected(scenario.clone()),
                    None => origin,
                }))
            };
            let origin = match (file, kind) {
                (Some(file), _) => match read.get(file) {
                    Some(origin) => Arc::clone(origin),
                    None => made(Content::read(file)?)?,
                },
                (None, Some(kind)) => made(generate::content(*kind))?,
                (None, None) => bail!(
                    "there is no content for the family {family}; give --content FILE or --content {family}=FILE"
                ),
            };
            if let Some(file) = file {
                read.insert(file, Arc::clone(&origin));
            }
            origins.insert(family.to_owned(), origin);
        }
        Ok(origins)
    }
}

fn origin(content: Content, objective: &Objective, buffer_s: f64, audio_kbps: Option<f64>) -> Result<Origin> {
    score::check(objective, &content)?;
    let segment_s = content.longest_segment().as_secs_f64();
    // The engine always lets itself have two.
    if buffer_s < 2.0 * segment_s {
        bail!(
            "a buffer of {buffer_s} s is too small for {}: the player needs room for two segments; give --buffer-s {} or more",
            content.name(),
            2.0 * segment_s
        );
    }
    let origin = Origin::new(content);
    match audio_kbps {
        None => Ok(origin),
        Some(kbps) => origin.with_audio(kbps).context("--audio-kbps cannot be used"),
    }
}

/// The engine's settings: those of the yardstick, under the preset, under the objective, under the file.
pub(super) fn engine_config(
    buffer_s: f64,
    preset: Option<Preset>,
    objective: Option<&Objective>,
    protected: bool,
    file: Option<&PathBuf>,
) -> Result<Config> {
    if !(buffer_s > 0.0 && buffer_s <= 86_400.0) {
        bail!("--buffer-s must be above 0 and at most 86400, not {buffer_s}");
    }
    let mut config = batch::yardstick(buffer_s);
    config.abr.preset = preset.unwrap_or_default();
    if let Some(objective) = objective {
        score::plan_by(objective, &mut config.abr);
    }
    if protected {
        // A licence server that says nothing is no matter of the network.
        config.retry.licence = Config::default().retry.licence;
    }
    let Some(path) = file else {
        return Ok(config);
    };
    let name = path.display();
    let text = fs::read(path).with_context(|| format!("cannot read the configuration {name}"))?;
    let wrong = || format!("{name} is no configuration of the engine");
    let over: serde_json::Value = serde_json::from_slice(&text).with_context(wrong)?;
    let mut value = serde_json::to_value(config).with_context(wrong)?;
    merge(&mut value, over);
    serde_json::from_value(value).with_context(wrong)
}

/// A preset by its name; `low-latency` is `low_latency`.
pub(super) fn parse_preset(name: &str) -> Result<Preset, String> {
    let wanted = name.replace('-', "_");
    Preset::ALL
        .into_iter()
        .find(|preset| preset.name() == wanted)
        .ok_or_else(|| {
            let known = Preset::ALL.map(Preset::name).join(", ").replace('_', "-");
            format!("unknown preset \"{name}\"; known are {known}")
        })
}

/// Lays `over` on `value`: objects are merged, everything else is replaced.
fn merge(value: &mut serde_json::Value, over: serde_json::Value) {
    match (value, over) {
        (serde_json::Value::Object(value), serde_json::Value::Object(over)) => {
            for (key, over) in over {
                merge(value.entry(key).or_insert(serde_json::Value::Null), over);
            }
        }
        (value, over) => *value = over,
    }
}
