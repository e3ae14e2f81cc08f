//! Lines of playlists.

use memchr::{memchr, memchr2};

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only white space.
    Blank,
    /// Neither a tag nor a comment.
    Uri,
    /// It begins with `#`, and is no tag.
    Comment,
    /// `#EXTINF`.
    Inf,
    /// `#EXT-X-PART`.
    Part,
    /// `#EXT-X-PROGRAM-DATE-TIME`.
    Date,
    /// Any other tag.
    Tag,
}

/// A line and its parts, as places in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub kind: Kind,
    /// Its first character that is no white space.
    pub start: usize,
    /// Behind its last character that is no white space.
    pub end: usize,
    /// The first colon of a tag, or `end`.
    pub colon: usize,
    /// Where the next line begins.
    pub next: usize,
}

/// The line that begins at a place; `None` at the end of the text. Lines end with LF or CR.
#[inline(never)]
pub fn line(text: &[u8], at: usize) -> Option<Line> {
    let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
    let length = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    let whole = rest.get(..length).unwrap_or_default();
    let trimmed = whole.trim_ascii_start();
    let start = at + (whole.len() - trimmed.len());
    let trimmed = trimmed.trim_ascii_end();
    let end = start + trimmed.len();
    let mut colon = end;
    let kind = match trimmed {
        [] => Kind::Blank,
        [b'#', b'E', b'X', b'T', tag @ ..] => {
            let name = memchr(b':', tag).unwrap_or(tag.len());
            colon = start + 4 + name;
            match tag.get(..name).unwrap_or_default() {
                b"INF" => Kind::Inf,
                b"-X-PART" => Kind::Part,
                b"-X-PROGRAM-DATE-TIME" => Kind::Date,
                _ => Kind::Tag,
            }
        }
        [b'#', ..] => Kind::Comment,
        _ => Kind::Uri,
    };
    Some(Line {
        kind,
        start,
        end,
        colon,
        next: at + length + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_what_it_is() {
        let text = "#EXTM3U\r\n\n #EXTINF:4,a:b \t\r#EXT-X-PART:X=1\n#EXT-X-PART\n#EXT-X-PARTS:\n#EXT-X-PROGRAM-DATE-TIME:2\n# x:y\n#EXTINFO\nä:ö\n  ";
        let mut read = Vec::new();
        let mut at = 0;
        while let Some(line) = line(text.as_bytes(), at) {
            let part = |from: usize, to: usize| text.get(from..to).unwrap_or("?");
            read.push((
                line.kind,
                part(line.start, line.colon),
                part(line.colon, line.end),
            ));
            assert!(line.next > at);
            at = line.next;
        }
        assert_eq!(
            read,
            [
                (Kind::Tag, "#EXTM3U", ""),
                (Kind::Blank, "", ""),
                (Kind::Blank, "", ""),
                (Kind::Inf, "#EXTINF", ":4,a:b"),
                (Kind::Part, "#EXT-X-PART", ":X=1"),
                (Kind::Part, "#EXT-X-PART", ""),
                (Kind::Tag, "#EXT-X-PARTS", ":"),
                (Kind::Date, "#EXT-X-PROGRAM-DATE-TIME", ":2"),
                (Kind::Comment, "# x:y", ""),
                (Kind::Tag, "#EXTINFO", ""),
                (Kind::Uri, "ä:ö", ""),
                (Kind::Blank, "", ""),
            ]
        );
    }
}
