//! The model that HLS and DASH are read into.
