//! `headgate-licence`: see the library.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use licence_server::entitlement::{Claims, Content, TokenKey, Verifier};
use licence_server::{Clock, Config, KeyFile, MasterKey, Store, router, vendors};
use tokio::net::TcpListener;

/// A ClearKey licence server, and a proxy in front of vendors' licence services.
#[derive(Parser)]
#[command(name = "headgate-licence", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  openssl rand -hex 32 > master.key; openssl rand -hex 32 > tokens.key
  headgate-licence import keys.json --content film --db keys.db --master-key-file master.key
  headgate-licence serve --db keys.db --master-key-file master.key --token-key tokens.key --allow-origin https://www.example
  headgate-licence token --token-key tokens.key --content film --tracks sd";

#[derive(Subcommand)]
enum Command {
    /// Serve licences.
    Serve(Serve),
    /// Take the keys of a key file of headgate-encode.
    Import(Import),
    /// Add a crypto period with new keys to a key file.
    Rotate {
        /// The key file.
        file: PathBuf,
    },
    /// List keys: their ids, never themselves.
    Keys {
        #[command(flatten)]
        database: Database,
        /// Of this content alone.
        #[arg(long)]
        content: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the newest decisions.
    Audit {
        #[command(flatten)]
        database: Database,
        /// So many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make an entitlement, for a try.
    Token(Token),
}

#[derive(Args)]
struct Database {
    /// The database.
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// A file with the master key that keys are sealed with: 64 hexadecimal digits. Also in HEADGATE_MASTER_KEY.
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<PathBuf>,
}

impl Database {
    fn open(&self) -> anyhow::Result<Store> {
        let master = match (&self.master_key_file, std::env::var("HEADGATE_MASTER_KEY")) {
            (Some(path), _) => MasterKey::from_file(path)?,
            (None, Ok(text)) => MasterKey::parse(&text)?,
            (None, Err(_)) => anyhow::bail!(
                "there is no master key: make one with `openssl rand -hex 32 > master.key` and name it with --master-key-file"
            ),
        };
        Ok(Store::sealed(&self.db, &master)?)
    }
}

#[derive(Args)]
struct Issuer {
    /// What tokens are checked or signed with: a secret of 32 bytes or more (HS256), or a key in PEM (EdDSA, ES256, RS256).
    #[arg(long, value_name = "FILE")]
    token_key: PathBuf,
    /// Who makes tokens (`iss`).
    #[arg(long, default_value = "headgate")]
    issuer: String,
    /// For whom they are (`aud`).
    #[arg(long, default_value = "licences")]
    audience: String,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    issuer: Issuer,
    /// Address to listen at; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Pages of this origin may ask; * = all.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Services of vendors: a TOML file.
    #[arg(long, value_name = "FILE")]
    vendors: Option<PathBuf>,
    /// Licences a minute that a viewer may ask for.
    #[arg(long, default_value_t = 60)]
    per_minute: u32,
    /// How long a session counts after its last licence, seconds.
    #[arg(long, default_value_t = 120)]
    session_s: i64,
    /// Let requests ask for faults, with ?fault=…: for tests.
    #[arg(long)]
    faults: bool,
    /// Say where it listens as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Import {
    /// The key file.
    file: PathBuf,
    #[command(flatten)]
    database: Database,
    /// What they are of: the id that tokens name.
    #[arg(long)]
    content: String,
}

#[derive(Args)]
struct Token {
    #[command(flatten)]
    issuer: Issuer,
    /// What may be seen.
    #[arg(long, required = true)]
    content: Vec<String>,
    /// The viewer.
    #[arg(long, default_value = "viewer")]
    subject: String,
    /// The highest class of tracks: audio, sd, hd, uhd1, uhd2.
    #[arg(long)]
    tracks: Option<String>,
    /// How long it lives, seconds; 300 at most.
    #[arg(long, default_value_t = 300)]
    life_s: i64,
    /// Sessions at a time.
    #[arg(long)]
    sessions: Option<u32>,
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("HEADGATE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: Cli) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match cli.command {
        Command::Serve(serve) => return self::serve(serve).await,
        Command::Import(import) => {
            let file = KeyFile::read(&import.file)?;
            let count = import.database.open()?.import(&import.content, file).await?;
            writeln!(out, "{count} keys of {}", import.content)?;
        }
        Command::Rotate { file } => {
            let mut keys = KeyFile::read(&file)?;
            let period = keys.rotate()?;
            keys.write(&file)?;
            writeln!(out, "period {period} was added to {}", file.display())?;
        }
        Command::Keys {
            database,
            content,
            json,
        } => {
            for key in database.open()?.list(content).await? {
                if json {
                    writeln!(out, "{}", serde_json::to_string(&key)?)?;
                } else {
                    writeln!(
                        out,
                        "{}  {:<6} {:>4}  {}",
                        key.kid, key.label, key.period, key.content
                    )?;
                }
            }
        }
        Command::Audit {
            database,
            limit,
            json,
        } => {
            for decision in database.open()?.audit(limit).await? {
                if json {
                    writeln!(out, "{}", serde_json::to_string(&decision)?)?;
                } else {
                    let at_s = decision.at_ms / 1000;
                    let viewer = decision.viewer.get(..8).unwrap_or_default();
                    writeln!(
                        out,
                        "{at_s}  {:<14} {:<9} {viewer}  {}  {}",
                        decision.outcome, decision.service, decision.content, decision.given
                    )?;
                }
            }
        }
        Command::Token(token) => writeln!(out, "{}", self::token(token)?)?,
    }
    Ok(())
}

fn token(token: Token) -> anyhow::Result<String> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let now_s = i64::try_from(now_s)?;
    let claims = Claims {
        iss: token.issuer.issuer,
        aud: token.issuer.audience,
        sub: token.subject,
        exp: now_s + token.life_s.clamp(1, licence_server::entitlement::MAX_LIFE_S),
        iat: Some(now_s),
        jti: licence_server::random_id()?,
        content: Content::Several(token.content),
        tracks: token.tracks,
        sessions: token.sessions,
        ..Claims::default()
    };
    Ok(claims.sign(&TokenKey::from_file(&token.issuer.token_key)?)?)
}

async fn serve(serve: Serve) -> anyhow::Result<()> {
    let store = serve.database.open()?;
    let Issuer {
        token_key,
        issuer,
        audience,
    } = &serve.issuer;
    let verifier = Verifier::new(
        &TokenKey::from_file(token_key)?,
        issuer,
        audience,
        Clock::system(),
    )?;
    let mut config = Config::new(store, verifier);
    if let Some(path) = &serve.vendors {
        config.vendors = vendors(path)?;
    }
    config.origins = serve.allow_origin;
    config.per_minute = serve.per_minute;
    config.session_s = serve.session_s;
    config.faults = serve.faults;
    let listener = TcpListener::bind(serve.listen).await.with_context(|| {
        format!(
            "cannot listen at {}; choose another address with --listen",
            serve.listen
        )
    })?;
    let url = format!("http://{}/clearkey", listener.local_addr()?);
    let line = if serve.json {
        serde_json::json!({"event": "listening", "url": url}).to_string()
    } else {
        format!("ClearKey licences at {url}")
    };
    writeln!(std::io::stdout(), "{line}")?;
    let app = router(config)?.into_make_service_with_connect_info::<SocketAddr>();
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopping = Arc::clone(&stop);
    tokio::spawn(async move {
        signal().await;
        stopping.notify_one();
    });
    let serving = axum::serve(listener, app).with_graceful_shutdown({
        let stop = Arc::clone(&stop);
        async move { stop.notified().await }
    });
    Ok(serving.await?)
}

/// Until the process is told to end.
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
