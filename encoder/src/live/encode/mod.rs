//! From frames to parts: one thread for each rendition, one that hands over what they make.

mod coders;
mod cutting;
mod delivery;
mod fit;
mod lines;
mod parts;
mod sound;
mod video;

pub(crate) use coders::{Coders, join};
pub(crate) use cutting::Cutting;
pub(crate) use delivery::{Delay, Delivery, Outlet};
pub(crate) use fit::{Verdict, Watch, measure};
pub(crate) use lines::{Lane, PictureLine, Refusal, SoundLine};
pub(crate) use parts::TakeProtection;
pub(crate) use sound::encode_sound;
pub(crate) use video::{BUFFER_S, Load, VideoCoder};
