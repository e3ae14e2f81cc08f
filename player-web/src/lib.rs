//! The Headgate engine driving Media Source Extensions.
