//! Headgate's rendition choice alone, for players that are not Headgate.
//!
//! [`Standalone`] is an algorithm of [`player_core::abr`] with the little that a player does around it: a clock in
//! milliseconds, a ladder in the caller's order, limits, the request in flight, sizes of the segments to come. `Engine` is that
//! for JavaScript (`ts/abr.ts`), with plain numbers both ways. No number makes either of them panic.

mod clock;
mod engine;
mod ladder;
mod segments;
mod standalone;

pub use engine::Engine;
pub use standalone::{Download, Moment, Settings, Standalone};
