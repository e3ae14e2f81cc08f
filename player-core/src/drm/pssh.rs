//! Protection system specific header boxes, `pssh` (ISO/IEC 23001-7, 8.1).

use super::{DrmFormatError, KeyId, Result};
use crate::media::boxes::Cursor;

/// A `pssh` box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pssh<'a> {
    /// Whose it is: see [`KeySystem::of_system_id`](super::KeySystem::of_system_id).
    pub system_id: [u8; 16],
    /// What only that system understands.
    pub data: &'a [u8],
    /// The whole box.
    pub source: &'a [u8],
    ids: &'a [u8],
}

impl Pssh<'_> {
    /// The ids that the box itself names (version 1). Its data may name others.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.ids.as_chunks().0.iter().copied().map(KeyId)
    }
}

/// Reads `pssh` boxes, one after the other, up to the first that cannot be. Boxes of a version that is not known are passed over.
pub const fn parse(bytes: &[u8]) -> Boxes<'_> {
    Boxes(bytes)
}

/// See [`parse`].
#[derive(Clone, Debug)]
pub struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<Pssh<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            let all = core::mem::take(&mut self.0);
            let Some((source, body)) = split(all) else {
                return Some(Err(malformed("it is no pssh box, or is cut short")));
            };
            self.0 = all.get(source.len()..).unwrap_or_default();
            if let Some(found) = read(source, body).transpose() {
                if found.is_err() {
                    self.0 = &[];
                }
                return Some(found);
            }
        }
        None
    }
}

/// The first box, and what is in it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut cursor = Cursor(bytes);
    let small = cursor.u32()?;
    if cursor.take()? != *b"pssh" {
        return None;
    }
    let size = match small {
        // Up to the end.
        0 => bytes.len(),
        1 => usize::try_from(cursor.u64()?).ok()?,
        size => size as usize,
    };
    let header = bytes.len() - cursor.0.len();
    Some((bytes.get(..size)?, bytes.get(header..size)?))
}

fn read<'a>(source: &'a [u8], body: &'a [u8]) -> Result<Option<Pssh<'a>>> {
    let short = || malformed("it is cut short");
    let mut body = Cursor(body);
    let (version, _) = body.full().ok_or_else(short)?;
    if version > 1 {
        return Ok(None);
    }
    let system_id = body.take().ok_or_else(short)?;
    let mut ids: &[u8] = &[];
    if version == 1 {
        let count = body.u32().ok_or_else(short)?;
        let length = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(16));
        ids = length
            .and_then(|length| body.slice(length))
            .ok_or(malformed("it has fewer key ids than it says"))?;
    }
    let length = body.u32().ok_or_else(short)?;
    let data = usize::try_from(length).ok().and_then(|length| body.slice(length));
    Ok(Some(Pssh {
        system_id,
        data: data.ok_or(malformed("it has less data than it says"))?,
        source,
        ids,
    }))
}

const fn malformed(why: &'static str) -> DrmFormatError {
    DrmFormatError::malformed("a pssh box", why)
}

/// Writes a box: of version 1 if it names keys.
pub fn write(system_id: &[u8; 16], key_ids: &[KeyId], data: &[u8]) -> Vec<u8> {
    let version = u8::from(!key_ids.is_empty());
    let mut out = vec![0; 4];
    out.extend_from_slice(b"pssh");
    out.extend_from_slice(&[version, 0, 0, 0]);
    out.extend_from_slice(system_id);
    if version == 1 {
        out.extend_from_slice(&(key_ids.len() as u32).to_be_bytes());
        for id in key_ids {
            out.extend_from_slice(&id.0);
        }
    }
    out.extend_from_slice(&(data.len() as u32).to_be_bytes());
    out.extend_from_slice(data);
    let size = (out.len() as u32).to_be_bytes();
    for (to, from) in out.iter_mut().zip(size) {
        *to = from;
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::KeySystem;
    use super::super::system::COMMON;
    use super::*;
    use crate::base64;

    const VECTOR: &str =
        "AAAARHBzc2gBAAAAEHfv7MCyTQKs4zweUuL7SwAAAAL/7t3Mu6qZiHdmVUQzIhEAABEiM0RVZneImaq7zN3u/wAAAAA=";

    fn ids() -> Vec<KeyId> {
        [
            "ffeeddccbbaa99887766554433221100",
            "00112233445566778899aabbccddeeff",
        ]
        .iter()
        .map(|id| KeyId::parse(id).unwrap())
        .collect()
    }

    fn error(bytes: &[u8]) -> String {
        parse(bytes).find_map(Result::err).unwrap().to_string()
    }

    #[test]
    fn the_box_of_another_packager_is_read_and_written() {
        let bytes = base64::decode(VECTOR.as_bytes(), 1000).unwrap();
        let found: Vec<_> = parse(&bytes).collect::<Result<_>>().unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].key_ids().collect::<Vec<_>>(), ids());
        assert_eq!((found[0].data, found[0].source), (&[][..], bytes.as_slice()));
        assert_eq!(
            KeySystem::of_system_id(&found[0].system_id),
            Some(KeySystem::ClearKey)
        );
        assert_eq!(write(&COMMON, &ids(), &[]), bytes);
    }

    #[test]
    fn boxes_follow_each_other() {
        let one = write(&[1; 16], &[], b"data");
        let mut two = one.clone();
        two.extend(write(&[2; 16], &ids(), b""));
        // A version that is not known.
        two.extend([0, 0, 0, 13, b'p', b's', b's', b'h', 9, 0, 0, 0, 7]);
        // With a size of 64 bits.
        let body = &one[8..];
        two.extend([
            0,
            0,
            0,
            1,
            b'p',
            b's',
            b's',
            b'h',
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            body.len() as u8 + 16,
        ]);
        two.extend(body);
        // Up to the end.
        two.extend([0, 0, 0, 0]);
        two.extend(&one[4..]);
        let found: Vec<_> = parse(&two).map(|found| found.unwrap()).collect();
        let systems: Vec<_> = found.iter().map(|found| found.system_id[0]).collect();
        assert_eq!(systems, [1, 2, 1, 1]);
        assert_eq!(
            (found[0].data, found[2].data, found[3].data),
            (&b"data"[..], &b"data"[..], &b"data"[..])
        );
        assert_eq!(found[0].source, one);
    }

    #[test]
    fn what_cannot_be_is_refused_and_ends_it() {
        let good = write(&[1; 16], &ids(), b"data");
        for count in [3_u32, 0x1000_0000, u32::MAX] {
            let mut huge = good.clone();
            huge[28..32].copy_from_slice(&count.to_be_bytes());
            huge.extend(&good);
            assert_eq!(
                error(&huge),
                "a pssh box is malformed: it has fewer key ids than it says"
            );
            assert_eq!(parse(&huge).count(), 1);
        }
        let mut long = good.clone();
        let at = long.len() - 8;
        long[at..at + 4].copy_from_slice(&5_u32.to_be_bytes());
        assert!(error(&long).contains("less data"));
        for cut in 1..good.len() {
            assert!(parse(&good[..cut]).next().unwrap().is_err(), "{cut}");
            // A box as short as that.
            let mut short = good[..cut].to_vec();
            for (to, from) in short.iter_mut().zip((cut as u32).to_be_bytes()) {
                *to = from;
            }
            assert!(parse(&short).next().unwrap().is_err(), "{cut}");
        }
        for bad in [&b"<html></html>"[..], &[0, 0, 0, 8, b'm', b'o', b'o', b'v'], &[0]] {
            assert!(error(bad).contains("no pssh box"));
        }
        assert_eq!(parse(&[]).count(), 0);
    }
}
