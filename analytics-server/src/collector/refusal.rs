//! Why a beacon, or a whole request, is not accepted, and what its sender is told.

use std::time::Duration;

use axum::http::StatusCode;

use super::MAX_BODY_BYTES;
use super::accept::InvalidBeacon;
use super::body::{MAX_BATCH, MAX_DECODED_BYTES};
use super::outcomes::Outcome;
use crate::problem::Problem;

/// See the table in [`super`].
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("too many requests from this address; send them later")]
    AddressLimited(Duration),
    #[error("the server's store is too far behind; send it again later")]
    Behind,
    #[error("too many beacons are waiting; send it again")]
    Busy,
    #[error("the server's disk is nearly full; send it again later")]
    DiskFull,
    #[error("the body is not compressed as Content-Encoding says, or it is neither gzip nor deflate")]
    Encoding,
    #[error("{0}")]
    Invalid(#[from] InvalidBeacon),
    #[error("the site takes no beacons from pages of this origin")]
    Origin,
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error("the site takes no beacons any more")]
    SiteClosed,
    #[error("the site sends too many beacons; send it again later")]
    SiteLimited(Duration),
    #[error("the beacon could not be stored; send it again")]
    Storage,
    #[error("the token is missing, expired, or not of this site and view")]
    Token,
    #[error(
        "a body is at most {MAX_BODY_BYTES} bytes, {MAX_DECODED_BYTES} bytes decompressed; send fewer events at a time"
    )]
    TooLarge,
    #[error("a batch is at most {MAX_BATCH} beacons; send fewer at a time")]
    TooMany,
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("no site has this key; see `site` in the player's configuration")]
    UnknownSite,
}

impl Refusal {
    /// A code for programs.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::AddressLimited(_) => "address_limited",
            Self::Behind => "store_behind",
            Self::Busy => "busy",
            Self::DiskFull => "disk_full",
            Self::Encoding => "invalid_encoding",
            Self::Invalid(_) => "invalid_beacon",
            Self::Origin => "origin_not_allowed",
            Self::ShuttingDown => "shutting_down",
            Self::SiteClosed => "site_closed",
            Self::SiteLimited(_) => "site_limited",
            Self::Storage => "storage",
            Self::Token => "invalid_token",
            Self::TooLarge | Self::TooMany => "body_too_large",
            Self::TooSlow => "too_slow",
            Self::UnknownSite => "unknown_site",
        }
    }

    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::AddressLimited(_) | Self::SiteLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Behind | Self::Busy | Self::DiskFull | Self::ShuttingDown | Self::Storage => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Encoding | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::SiteClosed => StatusCode::GONE,
            Self::Token | Self::UnknownSite => StatusCode::UNAUTHORIZED,
            Self::TooLarge | Self::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// Whether it is worth to send it again: then a batch is refused as a whole, since what is sent twice counts once.
    pub(super) const fn is_temporary(&self) -> bool {
        matches!(
            self.status(),
            StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        )
    }

    pub(super) const fn outcome(&self) -> Outcome {
        match self {
            Self::AddressLimited(_) => Outcome::AddressLimited,
            Self::Behind => Outcome::Behind,
            Self::Busy | Self::ShuttingDown => Outcome::Busy,
            Self::DiskFull => Outcome::DiskFull,
            Self::Encoding => Outcome::Encoding,
            Self::Invalid(_) => Outcome::Invalid,
            Self::Origin => Outcome::Origin,
            Self::SiteClosed => Outcome::SiteClosed,
            Self::SiteLimited(_) => Outcome::SiteLimited,
            Self::Storage => Outcome::Storage,
            Self::Token => Outcome::Token,
            Self::TooLarge | Self::TooMany => Outcome::TooLarge,
            Self::TooSlow => Outcome::TooSlow,
            Self::UnknownSite => Outcome::UnknownSite,
        }
    }

    pub(super) fn problem(&self) -> Problem {
        let problem = Problem::new(self.status(), self.code(), self.to_string());
        match self {
            Self::AddressLimited(wait) | Self::SiteLimited(wait) => problem.retry_after(*wait),
            _ => problem,
        }
    }
}
