//! URLs: resolution against a base, and what may be stored of them.
