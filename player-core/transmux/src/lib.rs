//! What must be done to media before a source buffer takes it: MPEG-TS and packed audio become fMP4, encrypted segments are
//! decrypted, captions are taken out of the pictures.
//!
//! The engine asks for it with [`Output::Prepare`](player_core::Output::Prepare). It is a crate beside the engine because most streams
//! need none of it: a browser loads it when it is asked for.

pub mod captions;
