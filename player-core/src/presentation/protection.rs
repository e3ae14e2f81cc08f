//! Encryption, as manifests declare it.

/// One way to get at a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// The key system: `urn:uuid:…` or `urn:mpeg:dash:mp4protection:2011` in lower case, or an HLS `KEYFORMAT` as `identity`.
    pub scheme: String,
    /// As written: `cenc`, `cbcs`; `AES-128`, `SAMPLE-AES`, `SAMPLE-AES-CTR`.
    pub method: String,
    /// Where the key or the licence is (absolute, or `data:` or `skd:`); empty if not declared.
    pub url: String,
    /// Where the certificate of the licence server is (`dashif:Certurl`); empty if not declared.
    pub certificate_url: String,
    /// Initialization vector, if declared.
    pub iv: Option<[u8; 16]>,
    /// Ids of the keys, if declared.
    pub key_ids: Vec<[u8; 16]>,
    /// A `pssh` box.
    pub pssh: Vec<u8>,
    /// A PlayReady object (`mspr:pro`).
    pub pro: Vec<u8>,
    /// Least robustness; empty if not declared.
    pub robustness: String,
    /// Versions of the key format (`KEYFORMATVERSIONS`); empty if not declared.
    pub versions: String,
}
