//! One definition of a table's columns for the struct, the DDL, the appender and the reader.

use duckdb::{Row, ToSql};

/// A struct whose fields are the columns of a table.
pub(crate) trait TableRow: Sized {
    /// The table's name.
    const TABLE: &'static str;
    /// Names and types of the columns, in order.
    const COLUMNS: &'static [(&'static str, &'static str)];

    /// The values, in the order of the columns.
    fn values(&self) -> Vec<&dyn ToSql>;

    /// Reads a row of all columns, in order.
    fn read(row: &Row<'_>) -> duckdb::Result<Self>;

    /// The names of the columns, for `SELECT`.
    fn names() -> String {
        Self::COLUMNS
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// `CREATE TABLE IF NOT EXISTS`.
    fn ddl() -> String {
        let columns: Vec<String> = Self::COLUMNS
            .iter()
            .map(|(name, sql)| format!("{name} {sql}"))
            .collect();
        format!(
            "CREATE TABLE IF NOT EXISTS {} ({})",
            Self::TABLE,
            columns.join(", ")
        )
    }
}

/// Declares a struct and its [`TableRow`].
macro_rules! table_row {
    (
        $(#[$meta:meta])*
        pub(crate) struct $name:ident in $table:literal {
            $($(#[$field_meta:meta])* $field:ident: $type:ty = $sql:literal,)*
        }
    ) => {
        $(#[$meta])*
        pub(crate) struct $name {
            $($(#[$field_meta])* pub(crate) $field: $type,)*
        }

        impl $crate::store::table::TableRow for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [(&'static str, &'static str)] = &[$((stringify!($field), $sql)),*];

            fn values(&self) -> Vec<&dyn duckdb::ToSql> {
                vec![$(&self.$field),*]
            }

            fn read(row: &duckdb::Row<'_>) -> duckdb::Result<Self> {
                let mut column = 0..;
                Ok(Self { $($field: row.get(column.next().unwrap_or_default())?),* })
            }
        }
    };
}
pub(crate) use table_row;
