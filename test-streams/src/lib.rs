//! An origin of named test streams with traffic shaping.
