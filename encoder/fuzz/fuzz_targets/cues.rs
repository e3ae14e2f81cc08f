//! What holds of every cue that is written.
#![allow(dead_code, reason = "not every target has whole files")]

use player_core::text::webvtt::{Piece, WebVtt};

/// Settings and text are what a WebVTT reader makes of them, and nothing else; elements are balanced, and so written.
pub fn check(settings: &str, text: &str) {
    assert!(
        !text.is_empty() && text.lines().all(|line| !line.is_empty()),
        "{text:?}"
    );
    let file = format!("WEBVTT\n\n00:00.000 --> 00:01.000 {settings}\n{text}\n");
    let vtt = read(file.as_bytes());
    assert_eq!(vtt.len(), 1, "{file:?}");
    let cue = vtt.cue(0).expect("a cue");
    assert_eq!(cue.text, text);
    check_markup(&cue);
}

pub fn check_markup(cue: &player_core::text::webvtt::Cue<'_>) {
    let (mut open, mut opened, mut times) = (Vec::new(), 0, 0);
    for piece in cue.markup() {
        match piece {
            Piece::Open(element) => {
                opened += 1;
                open.push(element.tag);
            }
            Piece::Close(tag) => assert_eq!(open.pop(), Some(tag)),
            Piece::Time(_) => times += 1,
            Piece::Text(_) => {}
        }
    }
    let text = cue.text;
    assert_eq!(text.matches("</").count(), opened, "{text:?}");
    assert_eq!(text.matches('<').count(), 2 * opened + times, "{text:?}");
}

/// A file without anything to warn of.
pub fn read(file: &[u8]) -> WebVtt {
    let vtt = WebVtt::parse(file).expect("it is WebVTT");
    assert!(
        vtt.warnings.is_empty(),
        "{:?}: {:?}",
        String::from_utf8_lossy(file),
        vtt.warnings
    );
    vtt
}
