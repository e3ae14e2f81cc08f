//! The arguments of encryption, the same wherever something is packaged.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use encoder::protect::{
    CryptoPeriod, KeyPlan, KeySharing, Licensing, ProtectOptions, Schedule, Scheme, System,
};

/// How the output is encrypted.
#[derive(Args)]
#[command(next_help_heading = "Encryption")]
pub(crate) struct ProtectArgs {
    /// Encrypt samples: cbcs, which every player of today can do, or cenc, for older ones.
    #[arg(long, value_name = "SCHEME")]
    encrypt: Option<Scheme>,
    /// The keys: {"keys":[{"label":"video","kid":"…","key":"…"}]}, 32 hexadecimal digits each; also "iv" and "period". Labels: all,
    /// video, audio, sd, hd, uhd1, uhd2. Without it keys are made.
    #[arg(long, value_name = "FILE", requires = "encrypt")]
    key_file: Option<PathBuf>,
    /// Write all keys here, for the licence server; needed where they are made. Only its owner may read it. Not in --out,
    /// which is published.
    #[arg(long, value_name = "FILE", requires = "encrypt")]
    key_out: Option<PathBuf>,
    /// Which tracks share a key that is made: one for all, per-type (sound, pictures), or per-class (sound, SD, HD, UHD).
    #[arg(long, value_name = "HOW", default_value = "per-type", value_parser = ["one", "per-type", "per-class"])]
    key_sharing: String,
    /// Leave segments clear that begin in the first so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, requires = "encrypt")]
    clear_lead_s: f64,
    /// Change keys after so many seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        requires = "encrypt",
        conflicts_with = "crypto_period_segments"
    )]
    crypto_period_s: Option<f64>,
    /// Change keys after so many segments.
    #[arg(long, value_name = "N", requires = "encrypt")]
    crypto_period_segments: Option<u32>,
    /// Who gives out keys: common (W3C ClearKey), fairplay, playready, widevine.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "common")]
    protection_systems: Vec<System>,
    /// A licence server for the MPD, as widevine=https://…; may be repeated. Also playready= and common=.
    #[arg(long, value_name = "SYSTEM=URL", requires = "encrypt")]
    licence_url: Vec<String>,
    /// FairPlay's URI; {kid} stands for the key's identifier.
    #[arg(long, value_name = "URI", requires = "encrypt")]
    fairplay_uri: Option<String>,
    /// Where the bare key is (HLS KEYFORMAT "identity"); {kid} stands for its identifier.
    #[arg(long, value_name = "URL", requires = "encrypt")]
    key_url: Option<String>,
}

impl ProtectArgs {
    /// What they ask for; none without --encrypt.
    pub(crate) fn options(&self) -> anyhow::Result<Option<ProtectOptions>> {
        let Some(scheme) = self.encrypt else {
            return Ok(None);
        };
        let sharing = match self.key_sharing.as_str() {
            "one" => KeySharing::One,
            "per-class" => KeySharing::PerClass,
            _ => KeySharing::PerType,
        };
        let keys = match &self.key_file {
            Some(path) => KeyPlan::read(scheme, path)?,
            None if self.key_out.is_none() => {
                bail!(
                    "keys that are made need a place: give --key-out FILE, or your own keys with --key-file FILE"
                )
            }
            None => KeyPlan::made(scheme, sharing),
        };
        let crypto_period = match (self.crypto_period_s, self.crypto_period_segments) {
            (Some(seconds), _) if seconds.is_nan() || seconds < 1.0 => {
                bail!("--crypto-period-s {seconds}: use a second or more")
            }
            (_, Some(0)) => bail!("--crypto-period-segments 0: use 1 or more"),
            (Some(seconds), _) => Some(CryptoPeriod::Seconds(seconds)),
            (None, segments) => segments.map(CryptoPeriod::Segments),
        };
        let mut licensing = Licensing {
            systems: self.protection_systems.clone(),
            fairplay_uri: self.fairplay_uri.clone(),
            key_url: self.key_url.clone(),
            ..Licensing::default()
        };
        for named in &self.licence_url {
            let url = match named.split_once('=') {
                Some(("common", url)) => (&mut licensing.clear_key_url, url),
                Some(("playready", url)) => (&mut licensing.playready_url, url),
                Some(("widevine", url)) => (&mut licensing.widevine_url, url),
                _ => bail!("--licence-url {named}: write common=, playready= or widevine= and the URL"),
            };
            *url.0 = Some(url.1.to_owned());
        }
        Ok(Some(ProtectOptions {
            keys,
            schedule: Schedule {
                clear_lead_s: self.clear_lead_s,
                crypto_period,
            },
            licensing,
            key_file: self.key_out.clone(),
        }))
    }
}
