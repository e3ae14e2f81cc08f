//! Which views the store has: a Bloom filter, so that new views, which are most, need no look into the store.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use crate::id::Id;

/// Bits for each id that there is room for: about 6 of 10,000 others pass.
const BITS_PER_ID: usize = 16;
/// Bits that are set for an id.
const HASHES: u64 = 8;
const LEAST_ROOM: usize = 1 << 17;

/// A set of ids that may hold more than were put in, and never less.
pub(crate) struct KnownViews {
    bits: Vec<u64>,
    hasher: RandomState,
    ids: usize,
    room: usize,
}

impl KnownViews {
    /// An empty set with room for these many, and as many again.
    pub(crate) fn with_room(ids: usize) -> Self {
        let room = (ids * 2).max(LEAST_ROOM).next_power_of_two();
        Self {
            bits: vec![0; room * BITS_PER_ID / 64],
            hasher: RandomState::new(),
            ids: 0,
            room,
        }
    }

    /// Puts an id in.
    pub(crate) fn insert(&mut self, id: Id) {
        let mut new = false;
        for bit in self.places(id) {
            let mask = 1 << (bit % 64);
            if let Some(word) = self.bits.get_mut(bit / 64) {
                new |= *word & mask == 0;
                *word |= mask;
            }
        }
        self.ids += usize::from(new);
    }

    /// Whether the id may have been put in.
    pub(crate) fn may_contain(&self, id: Id) -> bool {
        self.places(id).all(|bit| {
            let word = self.bits.get(bit / 64).copied().unwrap_or(u64::MAX);
            word & (1 << (bit % 64)) != 0
        })
    }

    /// Whether there is no room for more: too many others would pass.
    pub(crate) fn is_full(&self) -> bool {
        self.ids >= self.room
    }

    /// One hash and its upper half make as many as are wanted (Kirsch and Mitzenmacher 2006). It is keyed, so that nobody can send
    /// ids that collide.
    fn places(&self, id: Id) -> impl Iterator<Item = usize> + use<> {
        let hash = self.hasher.hash_one(id);
        let step = hash >> 32 | 1;
        let mask = self.bits.len() as u64 * 64 - 1;
        (0..HASHES).map(move |n| (hash.wrapping_add(n.wrapping_mul(step)) & mask) as usize)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn id(number: u32) -> Id {
        Id::parse(&format!("01890000-0000-7000-8000-{number:012x}")).unwrap()
    }

    #[test]
    fn what_was_put_in_is_in_and_little_else() {
        let mut known = KnownViews::with_room(0);
        assert!(!known.may_contain(id(1)));
        let room = LEAST_ROOM as u32;
        for number in 0..room {
            known.insert(id(number));
        }
        assert!((0..room).all(|number| known.may_contain(id(number))));
        let others = (room..room * 2)
            .filter(|number| known.may_contain(id(*number)))
            .count();
        assert!(others < 400, "{others} of {room}");
        for number in room..room * 2 {
            known.insert(id(number));
        }
        assert!(known.is_full());
        assert!(!KnownViews::with_room(room as usize).is_full());
    }
}
