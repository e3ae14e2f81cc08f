//! The real program on one core, and players on the other.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

#[path = "../../tests/support/program.rs"]
mod program;

use std::path::Path;
use std::process::{Command, Stdio};

pub(crate) use program::{Connection, Program};

const SERVER_CORE: &str = "0";
pub(crate) const PLAYERS_CORE: &str = "1";

/// Starts the program on its core.
pub(crate) fn start(data: &Path) -> Program {
    Program::start_on(data, "bench", Some(SERVER_CORE))
}

/// Starts the program on any core.
pub(crate) fn start_anywhere(data: &Path) -> Program {
    Program::start_on(data, "bench", None)
}

/// The figure in `scripts/bench`'s form.
pub(crate) fn figure(bench: &str, unit: &str, ours: f64) {
    let ours = (ours * 1000.0).round() / 1000.0;
    println!(
        "{}",
        serde_json::json!({ "bench": bench, "unit": unit, "ours": ours })
    );
}

/// The value that this share of the values does not exceed.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len().saturating_sub(1) as f64 * share).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// Puts this process on one core.
pub(crate) fn move_to(core: &str) {
    let pid = std::process::id().to_string();
    let moved = Command::new("taskset")
        .args(["-a", "-p", "-c", core, &pid])
        .stdout(Stdio::null())
        .status();
    assert!(
        moved.is_ok_and(|status| status.success()),
        "util-linux has taskset"
    );
}
