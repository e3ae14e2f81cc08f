//! Widevine's data in `pssh` boxes, and what can be told of its messages without a CDM.

use super::{KeyId, Result};

/// What a `pssh` box says (`WidevinePsshData`, a protocol buffer).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// Ids of keys.
    pub key_ids: Vec<KeyId>,
    /// The encryption scheme, as `cenc`, `cbcs`, if it says.
    pub scheme: Option<[u8; 4]>,
}

/// Reads the data of a `pssh` box, up to what cannot be. What is not known is passed over, and ids that have not 128 bits, too.
///
/// # Errors
/// If it names too many keys.
pub fn data(bytes: &[u8]) -> Result<Data> {
    const KEY_ID: u64 = 2;
    const PROTECTION_SCHEME: u64 = 9;
    let mut data = Data::default();
    let mut rest = bytes;
    while let Some((number, field)) = field(&mut rest) {
        match (number, field) {
            (KEY_ID, Field::Bytes(bytes)) => {
                if let Some(id) = KeyId::of_bytes(bytes) {
                    super::add(&mut data.key_ids, id)?;
                }
            }
            (PROTECTION_SCHEME, Field::Number(code)) => {
                data.scheme = u32::try_from(code).ok().map(u32::to_be_bytes);
            }
            _ => {}
        }
    }
    Ok(data)
}

/// The CDM asks for its server's certificate; the request for a licence follows when it has it.
pub const fn is_certificate_request(message: &[u8]) -> bool {
    matches!(message, [8, 4, ..])
}

/// A field of a protocol buffer.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// The next field and its number.
fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = varint(rest)?;
    let mut take = |count: u64| {
        let (head, tail) = rest.split_at_checked(usize::try_from(count).ok()?)?;
        *rest = tail;
        Some(head)
    };
    let field = match tag & 7 {
        0 => Field::Number(varint(rest)?),
        1 => take(8).map(|_| Field::Other)?,
        2 => {
            let length = varint(rest)?;
            let (head, tail) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            *rest = tail;
            Field::Bytes(head)
        }
        5 => take(4).map(|_| Field::Other)?,
        _ => return None,
    };
    Some((tag >> 3, field))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::pssh;
    use super::*;
    use crate::base64;

    #[test]
    fn the_data_of_another_packager_is_read() {
        for (vector, scheme) in [
            (
                "AAAASnBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAACoSEP/u3cy7qpmId2ZVRDMiEQASEAARIjNEVWZ3iJmqu8zd7v9I49yVmwY=",
                b"cenc",
            ),
            (
                "AAAASnBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAACoSEP/u3cy7qpmId2ZVRDMiEQASEAARIjNEVWZ3iJmqu8zd7v9I88aJmwY=",
                b"cbcs",
            ),
        ] {
            let bytes = base64::decode(vector.as_bytes(), 1000).unwrap();
            let found = pssh::parse(&bytes).next().unwrap().unwrap();
            let data = data(found.data).unwrap();
            let ids: Vec<_> = data.key_ids.iter().map(KeyId::to_string).collect();
            assert_eq!(
                ids,
                [
                    "ffeeddccbbaa99887766554433221100",
                    "00112233445566778899aabbccddeeff"
                ]
            );
            assert_eq!(data.scheme, Some(*scheme));
        }
    }

    #[test]
    fn other_fields_are_passed_over() {
        let mut bytes = vec![
            1 << 3,
            1,
            3 << 3 | 2,
            2,
            b'a',
            b'b',
            5 << 3 | 1,
            1,
            2,
            3,
            4,
            5,
            6,
            7,
            8,
        ];
        bytes.extend([6 << 3 | 5, 1, 2, 3, 4, 2 << 3 | 2, 3, 1, 2, 3, 2 << 3 | 2, 16]);
        bytes.extend([7; 16]);
        let whole = data(&bytes).unwrap();
        assert_eq!((whole.key_ids, whole.scheme), (vec![KeyId([7; 16])], None));
        for cut in 0..bytes.len() {
            assert_eq!(data(&bytes[..cut]).unwrap(), Data::default());
        }
        for bad in [
            &[0xff; 20][..],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x13],
            &[0x16],
        ] {
            assert_eq!(data(bad).unwrap(), Data::default());
        }
    }

    #[test]
    fn a_request_for_a_certificate_is_known() {
        assert!(is_certificate_request(&[8, 4]));
        assert!(!is_certificate_request(&[8, 1, 18]) && !is_certificate_request(&[]));
    }
}
