//! A token is taken only under the server's own algorithm and key, for its audience, and as long as it lives; claims under a good signature
//! are within their limits. The first byte says what the rest is.
#![no_main]

use std::sync::OnceLock;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use libfuzzer_sys::fuzz_target;
use licence_server::Clock;
use licence_server::entitlement::{TokenKey, Verifier};

const SECRET: &[u8] = b"a secret that nobody can guess: 0123456789";
/// RFC 8410, 10.1.
const PUBLIC: &[u8] = b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

/// 14 November 2023.
fn clock() -> Clock {
    Clock::from_fn(|| 1_700_000_000_000)
}

fn verifiers() -> &'static [Verifier; 2] {
    static VERIFIERS: OnceLock<[Verifier; 2]> = OnceLock::new();
    VERIFIERS.get_or_init(|| {
        let keys = [TokenKey::Secret(SECRET.to_vec()), TokenKey::Pem(PUBLIC.to_vec())];
        keys.map(|key| Verifier::new(&key, "https://shop.example", "headgate-licence", clock()).expect("a key"))
    })
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let [symmetric, asymmetric] = verifiers();
    match kind {
        0 => {
            let Ok(token) = std::str::from_utf8(rest) else { return };
            // Nobody can guess a signature.
            assert!(symmetric.check(token).is_err());
            assert!(asymmetric.check(token).is_err());
        }
        1 => {
            let Ok(claims) = serde_json::from_slice::<serde_json::Value>(rest) else { return };
            let sign = |header: &Header, key: &[u8]| jsonwebtoken::encode(header, &claims, &EncodingKey::from_secret(key));
            let Ok(token) = sign(&Header::new(Algorithm::HS256), SECRET) else { return };
            if let Ok(right) = symmetric.check(&token) {
                assert_eq!(claims["iss"], "https://shop.example");
                assert_eq!(claims["aud"], "headgate-licence");
                assert!(!right.subject.is_empty() && !right.session.is_empty());
                let shown = format!("{right:?}");
                assert!(!shown.contains(&token));
            }
            // The public key is no secret (RS/HS confusion), and another algorithm is none of ours.
            for (algorithm, key) in [(Algorithm::HS256, PUBLIC), (Algorithm::HS384, SECRET), (Algorithm::HS512, PUBLIC)] {
                let Ok(token) = sign(&Header::new(algorithm), key) else { continue };
                assert!(asymmetric.check(&token).is_err());
                assert!(symmetric.check(&token).is_err());
            }
        }
        _ => {}
    }
});
