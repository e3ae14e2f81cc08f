//! How many connections there are, and whose.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The connections of a listener.
#[derive(Debug)]
pub(super) struct Connections {
    free: Arc<Semaphore>,
    per_address: usize,
    /// Proxies have as many as there are.
    proxies: Vec<IpNet>,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// Room for one more connection; given back when it is dropped.
pub(super) struct Room {
    _permit: Option<OwnedSemaphorePermit>,
}

/// One connection's; given back when it is dropped.
pub(super) struct Place {
    connections: Arc<Connections>,
    address: IpAddr,
    _room: Room,
}

impl Connections {
    pub(super) fn new(max: usize, per_address: usize, proxies: &[IpNet]) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS))),
            per_address: per_address.max(1),
            proxies: proxies.to_vec(),
            addresses: Mutex::default(),
        })
    }

    /// Waits until there is room.
    pub(super) async fn room(&self) -> Room {
        // The semaphore is never closed.
        let _permit = Arc::clone(&self.free).acquire_owned().await.ok();
        Room { _permit }
    }

    /// Nothing if the address has its share already.
    pub(super) fn place(self: &Arc<Self>, address: IpAddr, room: Room) -> Option<Place> {
        let address = address.to_canonical();
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = addresses.entry(address).or_default();
        let is_proxy = || self.proxies.iter().any(|network| network.contains(&address));
        if *count >= self.per_address && !is_proxy() {
            return None;
        }
        *count += 1;
        Some(Place {
            connections: Arc::clone(self),
            address,
            _room: room,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut addresses = self
            .connections
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn an_address_gets_its_share_and_gives_it_back() {
        let connections = Connections::new(9, 2, &["10.9.0.0/16".parse().unwrap()]);
        let place = async |text: &str| {
            let address = text.parse().unwrap();
            connections.place(address, connections.room().await)
        };
        let first = place("10.0.0.1").await;
        let second = place("::ffff:10.0.0.1").await;
        assert!(first.is_some() && second.is_some() && place("10.0.0.1").await.is_none());
        let other = place("10.0.0.2").await;
        assert_eq!(connections.free.available_permits(), 6);
        drop((first, other));
        assert_eq!(connections.free.available_permits(), 8);
        assert_eq!(connections.addresses.lock().unwrap().len(), 1);
        assert!(place("10.0.0.1").await.is_some());
        let of_proxy = [
            place("10.9.0.1").await,
            place("10.9.0.1").await,
            place("10.9.0.1").await,
        ];
        assert!(of_proxy.iter().all(Option::is_some), "proxies have no share");
    }
}
