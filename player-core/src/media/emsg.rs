//! Events inside segments: the event message box (`emsg`, ISO/IEC 23009-1, 5.10.3.3).

use serde::{Deserialize, Serialize};

use super::boxes::Cursor;
use super::id3::{self, Frame};

/// The schemes of messages that are ID3 tags: *Carriage of ID3 Timed Metadata in CMAF*, and what was used before.
const ID3: [&str; 2] = [
    "https://aomedia.org/emsg/ID3",
    "https://developer.apple.com/streaming/emsg-id3",
];

/// An event message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Emsg {
    /// What it means.
    pub scheme: String,
    /// A refinement of it.
    pub value: String,
    /// Unique within scheme and value: a repetition has the same.
    pub id: u32,
    /// Ticks a second; more than zero.
    pub timescale: u32,
    /// When it begins, ticks: of the media timeline, or from the start of its segment if [`Self::relative`].
    pub time: u64,
    /// [`Self::time`] counts from the start of the segment (version 0).
    pub relative: bool,
    /// How long it lasts, ticks; `None` if not known.
    pub duration: Option<u32>,
    /// The message.
    pub data: Vec<u8>,
}

/// A box that is no event message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmsgError {
    /// Its timescale is zero.
    #[error("the timescale of the event message is 0")]
    Timescale,
    /// It ends before its fields do.
    #[error("the event message is too short")]
    Truncated,
    /// Its version is neither 0 nor 1.
    #[error("the event message is of version {0}")]
    Version(u8),
}

impl Emsg {
    /// Reads the body of a box: what follows its type.
    ///
    /// ```
    /// use player_core::media::emsg::Emsg;
    ///
    /// let mut body = vec![1, 0, 0, 0];
    /// for word in [1000, 0, 90_500, u32::MAX, 7] {
    ///     body.extend(word.to_be_bytes());
    /// }
    /// body.extend(b"urn:example\0ads\0break");
    /// let event = Emsg::parse(&body)?;
    /// assert_eq!((event.scheme.as_str(), event.value.as_str(), event.id), ("urn:example", "ads", 7));
    /// assert_eq!((event.time, event.duration, event.data.as_slice()), (90_500, None, &b"break"[..]));
    /// # Ok::<(), player_core::media::emsg::EmsgError>(())
    /// ```
    ///
    /// # Errors
    /// What keeps it from being one.
    pub fn parse(body: &[u8]) -> Result<Self, EmsgError> {
        let version = *body.first().ok_or(EmsgError::Truncated)?;
        if version > 1 {
            return Err(EmsgError::Version(version));
        }
        let event = Self::read(body.get(4..).unwrap_or_default(), version).ok_or(EmsgError::Truncated)?;
        if event.timescale == 0 {
            return Err(EmsgError::Timescale);
        }
        Ok(event)
    }

    fn read(fields: &[u8], version: u8) -> Option<Self> {
        let mut fields = Cursor(fields);
        let names = |from: &mut Cursor<'_>| Some((text(from)?, text(from)?));
        let before = if version == 0 {
            Some(names(&mut fields)?)
        } else {
            None
        };
        let timescale = fields.u32()?;
        let time = fields.wide(version)?;
        let duration = fields.u32()?;
        let id = fields.u32()?;
        let (scheme, value) = match before {
            Some(names) => names,
            None => names(&mut fields)?,
        };
        Some(Self {
            scheme,
            value,
            id,
            timescale,
            time,
            relative: version == 0,
            duration: (duration < u32::MAX).then_some(duration),
            data: fields.0.to_vec(),
        })
    }

    /// The frames of the ID3 tags that the message is, if its scheme says that it is some.
    pub fn id3(&self) -> Option<Vec<Frame>> {
        let is_id3 = ID3.iter().any(|scheme| self.scheme.eq_ignore_ascii_case(scheme));
        is_id3
            .then(|| id3::parse(&self.data).ok())?
            .map(|(frames, _)| frames)
    }
}

/// Text up to a zero.
fn text(from: &mut Cursor<'_>) -> Option<String> {
    let end = memchr::memchr(0, from.0)?;
    let text = from.slice(end)?;
    from.u8()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn body(version: u8) -> Vec<u8> {
        let mut body = vec![version, 0, 0, 0];
        let names = b"urn:x\0v\0";
        if version == 0 {
            body.extend(names);
        }
        body.extend(48_000_u32.to_be_bytes());
        if version == 0 {
            body.extend(24_000_u32.to_be_bytes());
        } else {
            body.extend((1_u64 << 40).to_be_bytes());
        }
        body.extend(96_000_u32.to_be_bytes());
        body.extend(3_u32.to_be_bytes());
        if version > 0 {
            body.extend(names);
        }
        body.extend([0xff, 0]);
        body
    }

    #[test]
    fn both_versions() {
        let event = Emsg {
            scheme: "urn:x".into(),
            value: "v".into(),
            id: 3,
            timescale: 48_000,
            time: 24_000,
            relative: true,
            duration: Some(96_000),
            data: vec![0xff, 0],
        };
        assert_eq!(Emsg::parse(&body(0)).unwrap(), event);
        let absolute = Emsg {
            time: 1 << 40,
            relative: false,
            ..event
        };
        assert_eq!(Emsg::parse(&body(1)).unwrap(), absolute);
        assert_eq!(Emsg::parse(&body(2)), Err(EmsgError::Version(2)));
    }

    #[test]
    fn what_is_cut_short_is_none() {
        for version in [0, 1] {
            let whole = body(version);
            for end in 0..whole.len() - 2 {
                assert_eq!(Emsg::parse(&whole[..end]), Err(EmsgError::Truncated), "{end}");
            }
            assert!(Emsg::parse(&whole[..whole.len() - 2]).is_ok());
        }
        let mut still = body(1);
        still[4..8].fill(0);
        assert_eq!(Emsg::parse(&still), Err(EmsgError::Timescale));
    }

    #[test]
    fn tags_in_messages() {
        let mut event = Emsg::parse(&body(0)).unwrap();
        event.data = b"ID3\x04\0\0\0\0\0\x0dTIT2\0\0\0\x03\0\0\x03hi".to_vec();
        assert_eq!(event.id3(), None);
        event.scheme = "https://aomedia.org/emsg/ID3".into();
        let frames = event.id3().unwrap();
        assert_eq!((frames[0].id.as_str(), frames[0].text.as_str()), ("TIT2", "hi"));
        event.data.truncate(9);
        assert_eq!(event.id3(), None);
    }
}
