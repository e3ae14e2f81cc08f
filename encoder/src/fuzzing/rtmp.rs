//! RTMP.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use super::session::{Said, Session};

/// What one connection says, in pieces as they arrive, after the handshake; its publisher is admitted if `admits`. Gives the tags of
/// FLV that came of it, and what was answered.
pub fn connection(pieces: &[&[u8]], admits: bool) -> Result<(Vec<Vec<u8>>, usize), &'static str> {
    let mut session = Session::new();
    let (mut tags, mut answered) = (Vec::new(), 0);
    let hello = [&[3][..], &[0; 3072]].concat();
    for piece in std::iter::once(&hello.as_slice()).chain(pieces) {
        for said in session.receive(piece)? {
            match said {
                Said::Publish { .. } if admits => session.accept(),
                Said::Publish { .. } => session.refuse("no"),
                Said::Media(tag) => tags.push(tag),
                Said::Done => {}
            }
        }
        answered += session.take_output().len();
    }
    Ok((tags, answered))
}
