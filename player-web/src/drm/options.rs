//! Reads the part of the options that is about keys, as `ts/drm/settings.ts` makes it of what an application says: without what is secret.

use player_core::config::{Certificate, DrmConfig, KeySystemConfig};
use player_core::drm::cdm::Requirement;
use player_core::drm::{KeySystem, SpcForm};

use crate::fields::Fields;
use crate::options::{one_of, set};

/// How FairPlay's licence server wants its requests comes back: that is the driver's business.
pub(crate) fn read(fields: &Fields<'_>, config: &mut DrmConfig) -> SpcForm {
    fields.only(&[
        "keyTimeoutMs",
        "maxSessions",
        "persistent",
        "spc",
        "stored",
        "systems",
    ]);
    let count = |name| fields.number(name).map(|number| number as u64);
    set(&mut config.key_timeout_ms, count("keyTimeoutMs"));
    set(
        &mut config.max_sessions,
        count("maxSessions").map(|number| number as usize),
    );
    config.persistent = fields.flag("persistent");
    config.stored = fields.strings("stored");
    config.systems = fields.objects("systems").iter().map(system).collect();
    let forms = [
        ("form", SpcForm::Form),
        ("json", SpcForm::Json),
        ("raw", SpcForm::Raw),
    ];
    one_of(fields, "spc", &forms).unwrap_or_default()
}

fn system(fields: &Fields<'_>) -> KeySystemConfig {
    fields.only(&[
        "audioRobustness",
        "certificate",
        "distinctiveIdentifierRequired",
        "individualizationServer",
        "persistentStateRequired",
        "server",
        "system",
        "videoRobustness",
    ]);
    let name = fields.text("system");
    let system = KeySystem::of_key_system(&name);
    if system.is_none() {
        fields.refuse("system", ["unknown key system \"", &name, "\""].concat());
    }
    let system = system.unwrap_or(KeySystem::ClearKey);
    // The name of a family stands for all that are usual in it.
    let family = system.key_systems().last().is_some_and(|family| *family == name);
    let requirement = |name| match fields.flag(name) {
        true => Requirement::Required,
        false => Requirement::Optional,
    };
    KeySystemConfig {
        system,
        names: if family { Vec::new() } else { vec![name] },
        server: fields.text("server"),
        individualization_server: fields.text("individualizationServer"),
        certificate: match fields.text("certificate").as_str() {
            "" => Certificate::None,
            "given" => Certificate::Given,
            url => Certificate::Url(url.to_owned()),
        },
        audio_robustness: fields.strings("audioRobustness"),
        video_robustness: fields.strings("videoRobustness"),
        persistent_state: requirement("persistentStateRequired"),
        distinctive_identifier: requirement("distinctiveIdentifierRequired"),
    }
}
