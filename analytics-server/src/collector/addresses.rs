//! How much one address may send.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock as _, MonotonicClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::sites::quota;

/// Addresses that are remembered at a time, about 20 MB. When there are more that are busy, all are forgotten: each begins
/// anew.
const MAX_ADDRESSES: usize = 200_000;
/// The number is looked at so often.
const CHECKS_BETWEEN: usize = 1024;

type Limiter = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, MonotonicClock>;

/// A quota for each address.
pub(super) struct Addresses {
    quota: Quota,
    limiter: RwLock<Limiter>,
    checks: AtomicUsize,
    max: usize,
}

impl Addresses {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        let quota = quota(per_second);
        Self {
            quota,
            limiter: RwLock::new(limiter(quota)),
            checks: AtomicUsize::new(0),
            max: MAX_ADDRESSES,
        }
    }

    /// Counts a request; an error says how long to wait. An address of this machine is a proxy's, or of a test: it has no
    /// quota.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), Duration> {
        if address.to_canonical().is_loopback() {
            return Ok(());
        }
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_BETWEEN == CHECKS_BETWEEN - 1 {
            self.forget();
        }
        let limiter = self.limiter.read().unwrap_or_else(PoisonError::into_inner);
        limiter
            .check_key(&network(address))
            .map_err(|until| until.wait_time_from(MonotonicClock.now()))
    }

    fn forget(&self) {
        let len = {
            let limiter = self.limiter.read().unwrap_or_else(PoisonError::into_inner);
            if limiter.len() <= self.max {
                return;
            }
            limiter.retain_recent();
            limiter.len()
        };
        if len > self.max {
            tracing::warn!(addresses = len, "too many addresses send at once; all begin anew");
            *self.limiter.write().unwrap_or_else(PoisonError::into_inner) = limiter(self.quota);
        }
    }
}

fn limiter(quota: Quota) -> Limiter {
    RateLimiter::new(quota, DashMapStateStore::default(), MonotonicClock)
}

/// Who has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn each_network_has_its_own_quota() {
        let addresses = Addresses::new(NonZeroU32::new(1).unwrap());
        let check = |text: &str| addresses.check(text.parse().unwrap());
        for _ in 0..2 {
            check("2001:db8::1").unwrap();
        }
        let wait = check("2001:db8::ffff:2").unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(2));
        check("2001:db8:0:1::1").unwrap();
        check("10.0.0.1").unwrap();
        check("::ffff:10.0.0.1").unwrap();
        assert!(check("10.0.0.1").is_err());
        for _ in 0..100 {
            check("127.0.0.1").unwrap();
        }
    }

    #[test]
    fn a_million_addresses_take_bounded_memory() {
        let mut addresses = Addresses::new(NonZeroU32::new(1).unwrap());
        addresses.max = 500;
        for number in 0..20_000_u32 {
            addresses.check(IpAddr::V4(number.into())).unwrap();
        }
        assert!(addresses.limiter.read().unwrap().len() <= 500 + CHECKS_BETWEEN);
    }
}
