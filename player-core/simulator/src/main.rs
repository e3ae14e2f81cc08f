//! Replays network traces and recorded sessions through the Headgate engine.
fn main() {}
