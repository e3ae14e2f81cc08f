//! How often one may ask.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Those who have not asked for a while are forgotten when so many are known.
const MANY: usize = 100_000;
/// Viewers that may share an address.
const PER_ADDRESS: u32 = 10;

pub(crate) struct Limits {
    addresses: DefaultKeyedRateLimiter<Option<IpAddr>>,
    viewers: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
}

impl Limits {
    pub(crate) fn new(per_minute: u32) -> Self {
        let quota = |n: u32| Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
        Self {
            addresses: RateLimiter::keyed(quota(per_minute.saturating_mul(PER_ADDRESS))),
            viewers: RateLimiter::keyed(quota(per_minute)),
            clock: DefaultClock::default(),
        }
    }

    /// How many seconds to wait, if one has to. An IPv6 subscriber has a network of 64 bits.
    pub(crate) fn address(&self, address: Option<IpAddr>) -> Result<(), u64> {
        let address = address.map(|address| match address {
            IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
            v4 => v4,
        });
        if self.addresses.len() > MANY {
            self.addresses.retain_recent();
        }
        self.addresses
            .check_key(&address)
            .map_err(|not_until| not_until.wait_time_from(self.clock.now()).as_secs() + 1)
    }

    pub(crate) fn viewer(&self, subject: &str) -> Result<(), u64> {
        if self.viewers.len() > MANY {
            self.viewers.retain_recent();
        }
        self.viewers
            .check_key(&subject.to_owned())
            .map_err(|not_until| not_until.wait_time_from(self.clock.now()).as_secs() + 1)
    }
}
