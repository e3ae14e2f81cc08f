//! The numerical core of Headgate's ABR: what a session believes of its network, and what it does about it.
//!
//! [`Belief`] learns from throughput samples how the throughput moves. [`Law`] is the belief at a decision, and [`Plan`] finds the best
//! rung under it by dynamic programming. `player_core::abr::Headgate` makes the samples, knows the ladder and the player, and puts
//! the questions; what was tried and did not help is in its documentation.
//!
//! It is a crate of its own because its loops are built for speed where the rest of the engine is built for size.

mod belief;
mod law;
mod plan;

pub use belief::Belief;
pub use law::Law;
pub use plan::{Costs, Facts, Flight, Plan, Task, Verdict};
