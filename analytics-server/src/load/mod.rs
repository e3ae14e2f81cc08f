//! Simulated viewers, for demos, tests and benches: an audience whose players are the engine itself.
//!
//! A few hundred viewings are simulated first, each of them a run of [`player_core`] between virtual networks, servers and media
//! elements ([`simulator::soak`]), with the beacons that it reported. Viewers reuse them: each view has ids of its own, and what makes
//! no difference to the player (CDN, country, browser, page, plan) is drawn anew; what does (video, device, network, arm of the
//! experiment, patience) is the viewing's. A view that meets an [`Incident`] is simulated with it.
//!
//! [`Audience`] says what is reported when, [`Sender`] sends it to a server, [`History`] brings the past into one.

mod history;
mod incident;
mod library;
mod population;
mod schedule;
mod send;

use std::path::PathBuf;

use simulator::trace::{FamilyTrace, TracesError, read_traces};

pub use history::History;
pub use incident::{Fault, Incident, IncidentError, duration};
pub use schedule::{Audience, Due};
pub use send::{Sender, Summary};

/// What an audience is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// The site key that its players send.
    pub site_key: String,
    /// Places at which one viewer after the other watches: the most viewers at a time.
    pub viewers: usize,
    /// Viewings that are simulated and reused.
    pub viewings: usize,
    /// Another seed is another audience.
    pub seed: u64,
    /// Whether there are more viewers in the evening than in the morning (UTC).
    pub daily: bool,
    /// What goes wrong.
    pub incidents: Vec<Incident>,
    /// The networks; if there are none, they are made up.
    pub traces: Vec<FamilyTrace>,
}

impl Options {
    /// So many viewers, with nothing special.
    pub fn new(site_key: impl Into<String>, viewers: usize) -> Self {
        Self {
            site_key: site_key.into(),
            viewers,
            viewings: 300,
            seed: 1,
            daily: false,
            incidents: Vec::new(),
            traces: Vec::new(),
        }
    }

    /// With the traces in these files and folders.
    ///
    /// # Errors
    /// If they cannot be read, or there are none.
    pub fn with_traces(self, paths: &[PathBuf]) -> Result<Self, LoadError> {
        let traces = match paths {
            [] => Vec::new(),
            paths => read_traces(paths)?,
        };
        Ok(Self { traces, ..self })
    }
}

/// Why there are no simulated viewers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A URL cannot be posted to.
    #[error("`{0}` is no address of a server, as http://127.0.0.1:8090")]
    Address(String),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
    /// The server refused simulated viewers, for good.
    #[error("the server takes nothing and answers {0}; see the site key and the address")]
    Refused(u16),
    /// No viewing could be simulated.
    #[error("no viewing could be simulated; try another seed, or other traces")]
    NoViewings,
    /// The server does not keep up.
    #[error("the server does not bring into its store what it accepted")]
    Stuck,
    /// The traces cannot be read.
    #[error(transparent)]
    Traces(#[from] TracesError),
}
