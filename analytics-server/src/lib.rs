//! Beacon collector, sessions, store, queries and dashboard for Headgate players.
