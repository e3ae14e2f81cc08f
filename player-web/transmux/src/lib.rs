//! Headgate's transmuxer for JavaScript: bytes in, bytes and facts out. A Wasm file of its own, for most streams need none.

use player_core::input::Prepared;
use player_core::json;
use player_core::output::{Container, Encryption};
use transmux::{Key, Ready, Settings};
use wasm_bindgen::prelude::*;

/// Prepares the segments of one stream, in the order in which they are played.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Transmuxer {
    inner: transmux::Transmuxer,
    settings: Settings<'static>,
    init: Vec<u8>,
    ready: Ready,
}

#[wasm_bindgen]
impl Transmuxer {
    /// One that has seen nothing yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the next segment is: `fmp4`, `mpeg_ts` or `packed_audio`, and the other fields of `Prepare`. Forgets a key and an
    /// initialization section.
    ///
    /// # Errors
    /// For a container that there is not.
    pub fn begin(
        &mut self,
        container: &str,
        continuous: bool,
        mute: bool,
        captions: bool,
    ) -> Result<(), JsError> {
        let container = match container {
            "fmp4" => Container::Fmp4,
            "mpeg_ts" => Container::MpegTs,
            "packed_audio" => Container::PackedAudio,
            _ => return Err(JsError::new("no such container")),
        };
        self.settings = Settings {
            container,
            continuous,
            mute,
            captions,
            decrypt: None,
            init: None,
        };
        self.init.clear();
        Ok(())
    }

    /// How it is encrypted: `aes128` or `sample_aes`, sixteen bytes of key, sixteen of initialization vector.
    ///
    /// # Errors
    /// For another method, or a key or vector of another length.
    pub fn decrypt(&mut self, method: &str, key: &[u8], iv: &[u8]) -> Result<(), JsError> {
        let method = match method {
            "aes128" => Encryption::Aes128,
            "sample_aes" => Encryption::SampleAes,
            _ => return Err(JsError::new("no such encryption")),
        };
        let sixteen = |bytes: &[u8], what: &str| bytes.try_into().map_err(|_| JsError::new(what));
        self.settings.decrypt = Some(Key {
            method,
            key: sixteen(key, "a key has sixteen bytes")?,
            iv: sixteen(iv, "an initialization vector has sixteen bytes")?,
        });
        Ok(())
    }

    /// Its initialization section, where that is apart.
    pub fn init(&mut self, bytes: Vec<u8>) {
        self.init = bytes;
    }

    /// Makes it ready. What is known of it comes back as JSON of `Prepared`; the bytes are at [`Self::at`].
    ///
    /// # Errors
    /// Why nothing in it can be played.
    pub fn prepare(&mut self, bytes: Vec<u8>) -> Result<String, JsError> {
        let init = Some(self.init.as_slice()).filter(|init| !init.is_empty());
        let settings = Settings {
            init,
            ..self.settings
        };
        let result = self.inner.prepare(bytes, &settings);
        self.settings.decrypt = None;
        self.ready = result.map_err(|error| JsError::new(&error.to_string()))?;
        let prepared: &Prepared = &self.ready.prepared;
        Ok(json::to_string(prepared))
    }

    /// Where in Wasm memory the bytes are of what was made ready last. They stay there until the next call; copy them.
    pub fn at(&self) -> *const u8 {
        self.ready.bytes().as_ptr()
    }

    /// How many they are.
    pub fn length(&self) -> usize {
        self.ready.bytes().len()
    }

    /// Forgets them.
    pub fn release(&mut self) {
        self.ready = Ready::default();
    }
}
