//! The boxes of Common Encryption: in the init segment `sinf`, in a fragment `senc` and its index, and sample groups.

use super::subsamples::{Layout, Subsample};
use crate::protect::Scheme;
use crate::protect::keys::KeyId;

/// What `tenc` and sample groups say of samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub(super) scheme: Scheme,
    /// One block of ten under `cbcs`, else all.
    pub(super) is_pattern: bool,
    pub(super) id: KeyId,
    /// Bytes of a sample's own initialization vector under `cenc`.
    pub(super) iv_bytes: u8,
    /// Every sample's initialization vector under `cbcs`.
    pub(super) constant_iv: [u8; 16],
}

/// The encryption boxes of one fragment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fragment {
    samples: u32,
    group: Option<Vec<u8>>,
    /// What `senc` holds of each sample; none of clear ones.
    sizes: Vec<u8>,
    senc: Vec<u8>,
    has_subsamples: bool,
    is_encrypted: bool,
    pssh: Vec<Vec<u8>>,
}

impl Fragment {
    /// `group` says what its key is, where that is not the track's default.
    pub(super) fn new(samples: usize, group: Option<&Defaults>, pssh: Vec<Vec<u8>>) -> Self {
        Self {
            samples: samples as u32,
            group: group.map(Defaults::group_entry),
            pssh,
            ..Self::default()
        }
    }

    /// Adds what `senc` says of a sample.
    pub(super) fn push(&mut self, entry: &[u8], has_subsamples: bool) {
        self.is_encrypted = true;
        self.has_subsamples |= has_subsamples;
        self.sizes.push(entry.len() as u8);
        self.senc.extend_from_slice(entry);
    }

    /// Bytes that the subsamples of an 8-byte vector's samples add up to.
    #[cfg(test)]
    pub(super) fn described_bytes(&self) -> u64 {
        let mut rest = self.senc.as_slice();
        let mut sum = 0;
        for size in &self.sizes {
            let (entry, after) = rest.split_at(usize::from(*size));
            rest = after;
            for part in entry.get(10..).unwrap_or_default().chunks(6) {
                sum += part
                    .iter()
                    .take(2)
                    .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                sum += part
                    .iter()
                    .skip(2)
                    .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            }
        }
        sum
    }

    /// Which of the [sample entries](super::TrackEncryption::entries) its samples have, counted from 1, for `tfhd`; none where it
    /// is the default.
    pub(crate) fn sample_description_index(&self) -> Option<u32> {
        (!self.is_encrypted).then_some(2)
    }

    /// Appends the boxes that stand at the end of `traf`. `moof` begins at `moof_start` of `out`.
    pub(crate) fn write_traf(&self, moof_start: usize, out: &mut Vec<u8>) {
        if let Some(entry) = &self.group {
            let samples = self.samples.to_be_bytes();
            // The first group of this fragment's own list (ISO/IEC 14496-12 §8.9.4).
            let map = [
                &b"seig"[..],
                &1_u32.to_be_bytes(),
                &samples,
                &0x1_0001_u32.to_be_bytes(),
            ]
            .concat();
            full_box(b"sbgp", 0, 0, &map, out);
            let length = (entry.len() as u32).to_be_bytes();
            let list = [&b"seig"[..], &length, &1_u32.to_be_bytes(), entry].concat();
            full_box(b"sgpd", 1, 0, &list, out);
        }
        if !self.is_encrypted {
            return;
        }
        let mut senc = self.samples.to_be_bytes().to_vec();
        senc.extend_from_slice(&self.senc);
        // With a constant vector and no subsamples there is nothing to index.
        if !self.senc.is_empty() {
            let first = self.sizes.first().copied().unwrap_or_default();
            let is_same = self.sizes.iter().all(|size| *size == first);
            let mut saiz = vec![if is_same { first } else { 0 }];
            saiz.extend(self.samples.to_be_bytes());
            if !is_same {
                saiz.extend_from_slice(&self.sizes);
            }
            full_box(b"saiz", 0, 0, &saiz, out);
            let offset = out.len() - moof_start + SAIO_BYTES + FULL_BOX_BYTES + 4;
            let saio = [1_u32.to_be_bytes(), (offset as u32).to_be_bytes()].concat();
            full_box(b"saio", 0, 0, &saio, out);
        }
        full_box(b"senc", 0, if self.has_subsamples { 2 } else { 0 }, &senc, out);
    }

    /// Appends the boxes that stand at the end of `moof`.
    pub(crate) fn write_moof(&self, out: &mut Vec<u8>) {
        self.pssh.iter().for_each(|pssh| out.extend_from_slice(pssh));
    }
}

impl Defaults {
    /// `CencSampleEncryptionInformationGroupEntry` (ISO/IEC 23001-7 §6).
    fn group_entry(&self) -> Vec<u8> {
        let mut entry = vec![0];
        self.write(&mut entry);
        entry
    }

    /// Pattern, whether there is protection, the vector's size, the key's identifier and the constant vector, as `tenc` and
    /// sample groups have them.
    fn write(&self, out: &mut Vec<u8>) {
        match self.scheme {
            Scheme::Cbcs => {
                out.extend([if self.is_pattern { 0x19 } else { 0 }, 1, 0]);
                out.extend(self.id.0);
                out.push(self.constant_iv.len() as u8);
                out.extend(self.constant_iv);
            }
            Scheme::Cenc => {
                out.extend([0, 1, self.iv_bytes]);
                out.extend(self.id.0);
            }
        }
    }
}

/// Wraps a clear sample entry box: its type moves into `sinf`, which is put at its end.
pub(super) fn protected_entry(
    clear: &[u8],
    is_picture: bool,
    defaults: &Defaults,
) -> Result<Vec<u8>, String> {
    let (Some(format), Some(body)) = (clear.get(4..8), clear.get(8..)) else {
        return Err("the sample entry is cut off".to_owned());
    };
    let mut sinf = Vec::new();
    plain_box(b"frma", format, &mut sinf);
    let scheme = [
        defaults.scheme.fourcc().as_bytes(),
        &0x0001_0000_u32.to_be_bytes(),
    ]
    .concat();
    full_box(b"schm", 0, 0, &scheme, &mut sinf);
    let mut fields = vec![0];
    defaults.write(&mut fields);
    let mut tenc = Vec::new();
    full_box(
        b"tenc",
        u8::from(defaults.scheme == Scheme::Cbcs),
        0,
        &fields,
        &mut tenc,
    );
    plain_box(b"schi", &tenc, &mut sinf);
    let mut body = body.to_vec();
    plain_box(b"sinf", &sinf, &mut body);
    let mut out = Vec::new();
    plain_box(if is_picture { b"encv" } else { b"enca" }, &body, &mut out);
    Ok(out)
}

/// What `senc` says of one sample (ISO/IEC 23001-7 §7.2).
pub(super) fn senc_entry(iv: &[u8], layout: &Layout) -> Result<Vec<u8>, String> {
    let mut entry = iv.to_vec();
    if let Layout::Subsamples(subsamples) = layout {
        entry.extend((subsamples.len() as u16).to_be_bytes());
        for Subsample { clear, protected } in subsamples {
            entry.extend(clear.to_be_bytes());
            entry.extend(protected.to_be_bytes());
        }
    }
    // `saiz` has one byte for it.
    if entry.len() > usize::from(u8::MAX) {
        return Err("a picture has more than 39 slices or tiles, too many to be encrypted one by one; encode it with fewer".to_owned());
    }
    Ok(entry)
}

const FULL_BOX_BYTES: usize = 12;
const SAIO_BYTES: usize = FULL_BOX_BYTES + 8;

fn plain_box(kind: &[u8; 4], body: &[u8], out: &mut Vec<u8>) {
    out.extend((body.len() as u32 + 8).to_be_bytes());
    out.extend_from_slice(kind);
    out.extend_from_slice(body);
}

fn full_box(kind: &[u8; 4], version: u8, flags: u8, body: &[u8], out: &mut Vec<u8>) {
    out.extend((body.len() as u32 + FULL_BOX_BYTES as u32).to_be_bytes());
    out.extend_from_slice(kind);
    out.extend([version, 0, 0, flags]);
    out.extend_from_slice(body);
}
