//! Who may see the encrypted video: the licence server, and what an application's own server does, which gives viewers their entitlements.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use licence_server::entitlement::{Claims, Content, MAX_LIFE_S, TokenKey, Verifier};
use licence_server::{Clock, Config, KeyFile, MasterKey, Store};

use crate::protected::Protected;

const ISSUER: &str = "headgate-demo";
const AUDIENCE: &str = "licences";

/// What entitlements are made with.
struct Issuer {
    key: TokenKey,
    content: String,
}

/// `POST /licences/clearkey`, and `POST /entitlement` with what the viewer may see: `full`, `sd` or `none`.
pub(crate) async fn router(protected: &Protected, data: &Path) -> anyhow::Result<Router> {
    let folder = data.join("licences");
    fs::create_dir_all(&folder).context("the folder for licences cannot be made")?;
    let master = MasterKey::parse(&secret(&folder.join("master.key"))?)?;
    let key = TokenKey::Secret(secret(&folder.join("tokens.key"))?.into_bytes());
    let store = Store::sealed(&folder.join("keys.db"), &master)?;
    store
        .import(&protected.id, KeyFile::read(&protected.key_file)?)
        .await?;
    let verifier = Verifier::new(&key, ISSUER, AUDIENCE, Clock::system())?;
    let licences = licence_server::router(Config::new(store, verifier))?;
    let issuer = Issuer {
        key,
        content: protected.id.clone(),
    };
    let own = Router::new()
        .route("/entitlement", post(entitle))
        .with_state(Arc::new(issuer));
    Ok(Router::new().nest("/licences", licences).merge(own))
}

/// A real application would know its viewer; this one takes what it is told.
async fn entitle(State(issuer): State<Arc<Issuer>>, right: String) -> Response {
    match issuer.token(&right) {
        Some(Ok(token)) => ([(CACHE_CONTROL, "no-store")], token).into_response(),
        Some(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        None => (StatusCode::BAD_REQUEST, "a right is full, sd or none\n").into_response(),
    }
}

impl Issuer {
    fn token(&self, right: &str) -> Option<anyhow::Result<String>> {
        let (content, tracks) = match right {
            "full" => (vec![self.content.clone()], None),
            "sd" => (vec![self.content.clone()], Some("sd".to_owned())),
            "none" => (Vec::new(), None),
            _ => return None,
        };
        Some(self.sign(content, tracks))
    }

    fn sign(&self, content: Vec<String>, tracks: Option<String>) -> anyhow::Result<String> {
        let now_s = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: "the viewer of the demo".to_owned(),
            exp: now_s + MAX_LIFE_S,
            iat: Some(now_s),
            jti: licence_server::random_id()?,
            content: Content::Several(content),
            tracks,
            ..Claims::default()
        };
        Ok(claims.sign(&self.key)?)
    }
}

/// A secret of this machine: 64 hexadecimal digits, made the first time, readable for its owner alone.
fn secret(path: &Path) -> anyhow::Result<String> {
    let fresh = licence_server::random_id()? + &licence_server::random_id()?;
    match fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(mut file) => file.write_all(fresh.as_bytes())?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("{} cannot be written", path.display())),
    }
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}
