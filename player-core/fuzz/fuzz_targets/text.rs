//! What holds of cues of any format.

use std::fmt::Write as _;

use player_core::text::webvtt::{Piece, WebVtt};
use player_core::text::{Cues, MAX_CUES};

/// Cues end after they begin; a WebVTT file of them is read without a warning, and its markup is balanced. `most`: bytes of text.
#[allow(dead_code, reason = "not every target has cues of this kind")]
pub fn check(cues: &Cues, most: usize) {
    assert!(cues.cues.len() <= MAX_CUES && cues.warnings.len() <= 100);
    assert!(cues.cues.iter().all(|cue| cue.start < cue.end));
    let total: usize = cues.cues.iter().map(|cue| cue.text.len()).sum();
    assert!(total <= most, "{total} bytes of text");
    for cue in cues.cues.iter().take(100) {
        markup(&cue.settings, &cue.text);
    }
}

/// Settings and text of a cue are what a WebVTT reader makes of them, and nothing else.
pub fn markup(settings: &str, text: &str) {
    let mut file = String::from("WEBVTT\n\n00:00.000 --> 00:01.000 ");
    let _ = writeln!(file, "{settings}");
    // A blank line would end the cue there.
    file.extend(
        text.split('\n')
            .filter(|line| !line.is_empty())
            .flat_map(|line| [line, "\n"]),
    );
    let vtt = WebVtt::parse(file.as_bytes()).expect("it is WebVTT");
    assert!(
        vtt.warnings.is_empty() && vtt.len() == 1,
        "{file:?}: {:?}",
        vtt.warnings
    );
    let mut open = Vec::new();
    for piece in vtt.cue(0).expect("a cue").markup() {
        match piece {
            Piece::Open(element) => open.push(element.tag),
            Piece::Close(tag) => assert_eq!(open.pop(), Some(tag)),
            Piece::Text(_) => {}
            Piece::Time(_) => panic!("a time in {text:?}"),
        }
    }
    assert_eq!(
        file.matches("</").count(),
        file.matches('<').count() / 2,
        "{file:?}"
    );
}
