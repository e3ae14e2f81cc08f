//! What to fetch, append and remove, and when.
