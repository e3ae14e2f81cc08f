//! Why a question cannot be answered, in words that say what can be asked.

use super::ast::short;

/// Why a question cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("`bots` is true or false")]
    Bots,
    #[error("`bucket` is a multiple of 10 s, as 10s, 1m, 6h or 1d")]
    Bucket,
    #[error("more than {0} buckets; ask for longer ones")]
    Buckets(i64),
    #[error("there is no dimension `{name}`; known are {known} and dim.NAME")]
    Dimension { name: String, known: String },
    #[error(
        "`{0}` is not a filter: it is DIMENSION:TEST:VALUE with the tests eq, ne, in, nin, or DIMENSION:exists"
    )]
    Filter(String),
    #[error("`format` is json, csv or parquet")]
    Format,
    #[error("`limit` is a number from 1 to {0}")]
    Limit(usize),
    #[error("there is no metric `{name}`; known are {known}")]
    Metric { name: String, known: String },
    #[error("`min_n` is a number of views")]
    MinN,
    #[error("`metric` is missing: ask for one or more of {0}")]
    NoMetric(String),
    #[error("`{name}` cannot be compared; what can is {known}")]
    NotComparable { name: String, known: String },
    #[error("`{name}` must be a number of milliseconds since 1970")]
    Number { name: &'static str },
    #[error("`order` is one of the metrics that are asked for, with - before it for the largest first")]
    Order,
    #[error("there is no parameter `{name}`; known are {known}")]
    Parameter { name: String, known: &'static str },
    #[error("`from` must be before `to`, in ms since 1970, and at most 92 days before it")]
    Range,
    #[error("`{0}` is there twice")]
    Twice(String),
    #[error("more than {max} {what}")]
    TooMany { what: &'static str, max: usize },
}

impl Invalid {
    /// There is no such parameter.
    pub(crate) fn parameter(name: &str, known: &'static str) -> Self {
        let name = short(name);
        Self::Parameter { name, known }
    }
}
