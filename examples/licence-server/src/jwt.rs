//! What jsonwebtoken needs of cryptography, by ring: one algorithm is chosen where the server is set up, and no other is accepted.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};

/// Installs it, once a process.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: signer,
        verifier_factory: verifier,
        key_utils: KeyUtils::new_unimplemented(),
    };
    ONCE.call_once(|| {
        // Somebody else's in the same process serves as well.
        let _ = PROVIDER.install_default();
    });
}

enum Secret {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Hmac(hmac::Key),
}

struct RingSigner(Algorithm, Secret);

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(match &self.1 {
            Secret::Ecdsa(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map_err(|_| SignatureError::new())?
                .as_ref()
                .to_vec(),
            Secret::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Secret::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
        })
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

enum Public {
    Asymmetric(&'static dyn VerificationAlgorithm, Vec<u8>),
    Hmac(hmac::Key),
}

struct RingVerifier(Algorithm, Public);

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let verified = match &self.1 {
            Public::Asymmetric(algorithm, key) => {
                UnparsedPublicKey::new(*algorithm, key).verify(message, signature)
            }
            Public::Hmac(key) => hmac::verify(key, message, signature),
        };
        verified.map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    let bad = || Error::from(ErrorKind::InvalidKeyFormat);
    let secret = match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => {
            Secret::Hmac(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))
        }
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes());
            Secret::Ed25519(pair.map_err(|_| bad())?)
        }
        (Algorithm::ES256, AlgorithmFamily::Ec) => {
            let rng = SystemRandom::new();
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_bytes(), &rng);
            Secret::Ecdsa(pair.map_err(|_| bad())?)
        }
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(RingSigner(*algorithm, secret)))
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let bytes = key.try_get_as_bytes()?;
    let asymmetric = |by: &'static dyn VerificationAlgorithm| Public::Asymmetric(by, bytes.to_vec());
    let public = match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Public::Hmac(hmac::Key::new(hmac::HMAC_SHA256, bytes)),
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => asymmetric(&ED25519),
        (Algorithm::ES256, AlgorithmFamily::Ec) => asymmetric(&ECDSA_P256_SHA256_FIXED),
        (Algorithm::RS256, AlgorithmFamily::Rsa) => asymmetric(&RSA_PKCS1_2048_8192_SHA256),
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(RingVerifier(*algorithm, public)))
}
