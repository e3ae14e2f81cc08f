//! Text in, [`presentation`](crate::presentation) out.
