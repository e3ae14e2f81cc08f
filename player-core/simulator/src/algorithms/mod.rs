//! The algorithms by name: the engine's, those of other players and of the literature, and some that know the future.
//!
//! A further one is a line in [`ALL`], a variant of `Kind`, and an implementation of [`Abr`] in a file of its own. Each
//! has a variant with abandonment, `NAME+ab`, where a rule for all gives a slow download up ([`find`] knows these; they are not in
//! [`ALL`]); without the suffix only `headgate` abandons, by its own plan.

use player_core::Config;
use player_core::abr::{self, Abr};
use player_core::config::Algorithm;

use crate::{Content, Trace};

mod abandonment;
mod bba;
mod bola;
mod dashjs;
mod hlsjs;
mod mpc;
mod observed;
mod oracle;
mod samples;
mod shaka;
mod soda;
mod throughput;

pub use observed::{Decision, Decisions, Observed};

/// An algorithm that can be run.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    kind: Kind,
    /// The rule for all gives downloads up.
    abandons: bool,
}

/// What a session is about: what only an oracle may look at.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The network.
    pub trace: &'a Trace,
    /// The content.
    pub content: &'a Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bba0,
    Bba2,
    BolaE,
    DashJs,
    Dynamic,
    /// One of the engine's.
    Engine(Algorithm),
    HlsJs,
    Mpc,
    Optimal,
    /// Knows that many segments ahead.
    Oracle(usize),
    RobustMpc,
    Shaka,
    Soda,
    Throughput,
}

macro_rules! entries {
    ($suffix:literal, $abandons:literal, $($name:literal, $about:literal, $kind:expr;)*) => {
        &[$(Entry {
            name: concat!($name, $suffix),
            about: $about,
            kind: $kind,
            abandons: $abandons,
        }),*]
    };
}

macro_rules! main_entries {
    ($suffix:literal, $abandons:literal) => {
        entries!($suffix, $abandons,
            "bba0", "buffer level alone, by nominal bitrates", Kind::Bba0;
            "bba2", "buffer level alone, by segment sizes, with a start-up phase", Kind::Bba2;
            "bola", "buffer level alone, the engine's BOLA", Kind::Engine(Algorithm::Bola);
            "bola-e", "BOLA with a virtual buffer and throughput as a limit", Kind::BolaE;
            "dashjs", "dash.js 5", Kind::DashJs;
            "dynamic", "throughput with a low buffer, BOLA-E with a high one", Kind::Dynamic;
            "engine-throughput", "throughput alone, the engine's rule", Kind::Engine(Algorithm::Throughput);
            "headgate", "the engine's own", Kind::Engine(Algorithm::Headgate);
            "hlsjs", "hls.js 1.7", Kind::HlsJs;
            "mpc", "best sequence for the mean throughput", Kind::Mpc;
            "optimal", "best schedule of all, with the whole network known", Kind::Optimal;
            "oracle-10", "best sequence with the network of ten segments known", Kind::Oracle(10);
            "oracle-5", "best sequence with the network of five segments known", Kind::Oracle(5);
            "robust-mpc", "best sequence for a cautious throughput", Kind::RobustMpc;
            "shaka", "Shaka Player 4", Kind::Shaka;
            "soda", "smooth control of the buffer in time", Kind::Soda;
            "throughput", "throughput alone, as in dash.js", Kind::Throughput;
        )
    };
}

macro_rules! oracles {
    ($suffix:literal, $abandons:literal, $($n:literal)*) => {
        &[$(Entry {
            name: concat!("oracle-", $n, $suffix),
            about: concat!("best sequence with the network of ", $n, " segments known"),
            kind: Kind::Oracle($n),
            abandons: $abandons,
        }),*]
    };
}

/// All algorithms without abandonment bolted on, by name; of the oracles two.
pub const ALL: &[Entry] = main_entries!("", false);
/// The same with abandonment.
const ABANDONING: &[Entry] = main_entries!("+ab", true);
/// The oracles that are not there yet.
const ORACLES: [&[Entry]; 2] = [
    oracles!("", false, 1 2 3 4 6 7 8 9 11 12 13 14 15 16 17 18 19 20),
    oracles!("+ab", true, 1 2 3 4 6 7 8 9 11 12 13 14 15 16 17 18 19 20),
];

/// No algorithm has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown algorithm \"{name}\"; known are {} and oracle-1 to oracle-20, each also with abandonment as NAME+ab",
    names().join(", ")
)]
pub struct UnknownAlgorithm {
    /// The name.
    pub name: String,
}

/// The algorithm of a name: one of [`names`], `oracle-1` to `oracle-20`, or one of these with `+ab`.
///
/// # Errors
/// If there is none.
pub fn find(name: &str) -> Result<&'static Entry, UnknownAlgorithm> {
    ALL.iter()
        .chain(ABANDONING)
        .chain(ORACLES.into_iter().flatten())
        .find(|entry| entry.name == name)
        .ok_or_else(|| UnknownAlgorithm {
            name: name.to_owned(),
        })
}

/// The names of [`ALL`].
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|entry| entry.name).collect()
}

impl Entry {
    /// A new instance. `config` is made to fit: it names the algorithm if it is one of the engine's, so that a log made with
    /// it can be replayed without this crate ([`Entry::in_engine`]), and says whether there is abandonment.
    pub fn make(&self, config: &mut Config, setting: &Setting<'_>) -> Box<dyn Abr> {
        config.abr.algorithm = match self.kind {
            Kind::Engine(algorithm) => algorithm,
            // None has this name, so that a log says which one it was.
            _ => Algorithm::Headgate,
        };
        let abr: Box<dyn Abr> = match self.kind {
            Kind::Bba0 => Box::new(bba::Bba0::default()),
            Kind::Bba2 => Box::new(bba::Bba2::new()),
            Kind::BolaE => Box::new(bola::BolaE::new()),
            Kind::DashJs => Box::new(dashjs::DashJs::new()),
            Kind::Dynamic => Box::new(bola::Dynamic::new()),
            Kind::Engine(_) => abr::from_config(&config.abr),
            Kind::HlsJs => Box::new(hlsjs::HlsJs::new()),
            Kind::Mpc => Box::new(mpc::Mpc::new(&config.abr, false)),
            Kind::Optimal => Box::new(oracle::Optimal::new(config, setting)),
            Kind::Oracle(segments) => Box::new(oracle::Oracle::new(config, setting, segments)),
            Kind::RobustMpc => Box::new(mpc::Mpc::new(&config.abr, true)),
            Kind::Shaka => Box::new(shaka::Shaka::new()),
            Kind::Soda => Box::new(soda::Soda::new(&config.abr)),
            Kind::Throughput => Box::new(throughput::Throughput::new()),
        };
        if self.abandons {
            config.abr.abandonment = true;
            return Box::new(abandonment::WithAbandonment::new(abr, self.name));
        }
        if !matches!(self.kind, Kind::Engine(_)) {
            // Nobody needs to be asked.
            config.abr.abandonment = false;
        }
        abr
    }

    /// The engine makes it by itself from the configuration: a log of it replays without this crate.
    pub fn in_engine(&self) -> bool {
        matches!(self.kind, Kind::Engine(_)) && !self.abandons
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_name_makes_its_algorithm() {
        let trace = Trace::constant("t", 1000.0, 0.0).unwrap();
        let table = br#"{"segment_duration_ms": 1000, "bitrates_kbps": [1], "segment_sizes_bits": [[8]]}"#;
        let content = Content::parse(std::path::Path::new("t.json"), table).unwrap();
        let setting = Setting {
            trace: &trace,
            content: &content,
        };
        let all = ALL.iter().chain(ABANDONING).chain(ORACLES.into_iter().flatten());
        for entry in all {
            let mut config = Config::default();
            let abr = find(entry.name).unwrap().make(&mut config, &setting);
            assert_eq!(config.abr.abandonment, entry.abandons || entry.in_engine());
            if entry.in_engine() {
                assert_eq!(abr::from_config(&config.abr).name(), abr.name(), "a log names it");
                assert!(entry.name.ends_with(abr.name()));
            } else {
                assert_eq!(abr.name(), entry.name);
            }
        }
        assert!(names().is_sorted());
        assert_eq!(ABANDONING.len(), ALL.len());
        assert_eq!(find("oracle-7+ab").unwrap().name, "oracle-7+ab");
    }

    #[test]
    fn an_unknown_one_is_told_the_known_ones() {
        for name in ["magic", "oracle-0", "oracle-21", "bba2+", "bba2+ab+ab"] {
            let error = find(name).unwrap_err().to_string();
            assert!(error.starts_with(&format!(
                "unknown algorithm \"{name}\"; known are bba0, bba2, bola, "
            )));
            assert!(error.ends_with("oracle-1 to oracle-20, each also with abandonment as NAME+ab"));
        }
    }
}
