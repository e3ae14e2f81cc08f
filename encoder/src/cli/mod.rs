//! The subcommands, one file each.

pub(crate) mod clip;
pub(crate) mod compare;
pub(crate) mod join;
pub(crate) mod live;
pub(crate) mod package;
pub(crate) mod plan;
mod protect;
pub(crate) mod run;
pub(crate) mod sample;
mod view;
pub(crate) mod vod;
pub(crate) mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;

/// The first signal stops the encoding and cleans up; a second one ends the process at once.
fn stop_on_signals(flag: &Arc<AtomicBool>) -> anyhow::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(flag)))
            .context("signals cannot be handled")?;
    }
    Ok(())
}
