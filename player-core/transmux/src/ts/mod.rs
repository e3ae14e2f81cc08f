//! MPEG-2 transport streams (ISO/IEC 13818-1): packets, tables, PES headers.

pub(crate) mod packets;
pub(crate) mod pes;
pub(crate) mod psi;
