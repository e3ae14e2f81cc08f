//! RFC 6381 codec strings, as far as one must know whether they are pictures or sound.

use crate::input::TrackKind;

/// What a codec carries, by its four-character code; `None` if the code is not known.
pub fn kind_of_codec(codec: &str) -> Option<TrackKind> {
    let code = codec
        .trim()
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match code.as_str() {
        "avc1" | "avc3" | "hvc1" | "hev1" | "dvh1" | "dvhe" | "dvav" | "dva1" | "vp08" | "vp8" | "vp09"
        | "vp9" | "av01" | "dav1" | "vvc1" | "vvi1" | "mp4v" => Some(TrackKind::Video),
        "mp4a" | "ac-3" | "ec-3" | "ac-4" | "opus" | "flac" | "alac" | "vorbis" | "mp3" | "dtsc" | "dtse"
        | "dtsx" | "iamf" | "mhm1" | "mha1" => Some(TrackKind::Audio),
        "stpp" | "wvtt" => Some(TrackKind::Text),
        _ => None,
    }
}

/// Those codecs of a comma-separated list that are of one kind, comma-separated.
pub fn split_codecs(codecs: &str, kind: TrackKind) -> String {
    let mut out = String::new();
    for codec in codecs
        .split(',')
        .map(str::trim)
        .filter(|c| kind_of_codec(c) == Some(kind))
    {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(codec);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_by_kind() {
        let codecs = "avc1.64001f, mp4a.40.2,stpp.ttml.im1t";
        assert_eq!(split_codecs(codecs, TrackKind::Video), "avc1.64001f");
        assert_eq!(split_codecs(codecs, TrackKind::Audio), "mp4a.40.2");
        assert_eq!(kind_of_codec("Opus"), Some(TrackKind::Audio));
        assert_eq!(kind_of_codec("xyz"), None);
    }
}
