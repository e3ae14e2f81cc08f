//! The whole of Headgate in one process.
fn main() {}
