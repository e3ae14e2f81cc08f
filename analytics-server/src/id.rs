//! Ids of views and sessions.

use std::fmt;

use duckdb::ToSql;
use duckdb::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use serde::{Serialize, Serializer};

/// A UUID (RFC 9562), written in lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(u128);

impl Id {
    /// Bytes of the usual form.
    pub(crate) const LEN: usize = 36;

    /// These bytes, in their order.
    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Reads the usual form with four hyphens, in lower or upper case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != Self::LEN {
            return None;
        }
        let mut id = 0;
        for (at, byte) in text.bytes().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
            } else {
                id = id << 4 | u128::from(char::from(byte).to_digit(16)?);
            }
        }
        Some(Self(id))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(id) = self;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            (id >> 96) as u32,
            (id >> 80) as u16,
            (id >> 64) as u16,
            (id >> 48) as u16,
            id & 0xffff_ffff_ffff
        )
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl ToSql for Id {
    fn to_sql(&self) -> duckdb::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::parse(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_uuids_are_ids() {
        let id = Id::parse("01890000-ABCD-7000-8000-0123456789ab").unwrap();
        assert_eq!(id.to_string(), "01890000-abcd-7000-8000-0123456789ab");
        for text in [
            "",
            "me",
            "01890000-abcd-7000-8000-0123456789a",
            "01890000-abcd-7000-8000-0123456789abc",
            "01890000abcd-7000-8000-0123456789ab-",
            "01890000-abcd-7000-8000-0123456789ag",
            "01890000-abcd-7000-8000-0123456789é",
            "+1890000-abcd-7000-8000-0123456789ab",
        ] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn ids_come_back(id: u128) {
            prop_assert_eq!(Id::parse(&Id(id).to_string()), Some(Id(id)));
        }
    }
}
