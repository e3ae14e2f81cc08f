//! The Wasm file of `player-web`. The crate that is linked decides how the whole is optimised, whether loops are made into SIMD for
//! instance, and its own code becomes large by that: so it is a crate without code.

pub use player_web::Driver;
