//! The real program, and connections to it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test and benchmark uses a part of it"
)]

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The key of its one site, which is named `test`.
pub(crate) const PROGRAM_SITE: &str = "test=test-key";
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    /// Where beacons go.
    pub(crate) address: SocketAddr,
    /// Where queries go.
    pub(crate) admin: SocketAddr,
}

impl Program {
    /// Starts it on any core.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_on(data, PROGRAM_SITE, None)
    }

    /// Starts it for this site, on one core if one is given.
    pub(crate) fn start_on(data: &Path, site: &str, core: Option<&str>) -> Self {
        let mut args: Vec<&OsStr> = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ]
        .map(OsStr::new)
        .into();
        args.extend(["--admin-without-token", "--site-key", site, "--data"].map(OsStr::new));
        args.push(data.as_os_str());
        Self::run(&args, core)
    }

    /// Starts it as a configuration file says, which names no ports and asks for no token.
    pub(crate) fn start_with(config: &Path) -> Self {
        Self::run(&["serve".as_ref(), "--config".as_ref(), config.as_os_str()], None)
    }

    fn run(args: &[&OsStr], core: Option<&str>) -> Self {
        let program = env!("CARGO_BIN_EXE_headgate-analytics");
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", core, program]);
                command
            }
            None => Command::new(program),
        };
        let mut child = command
            .args(args)
            .env(
                "RUST_LOG",
                std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".into()),
            )
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts; util-linux has taskset");
        let mut lines = BufReader::new(child.stdout.take().expect("it was piped")).lines();
        let mut address = || {
            let line = lines.next().expect("it says where it listens").expect("text");
            let authority = line
                .split("http://")
                .nth(1)
                .and_then(|rest| rest.split('/').next()?.parse().ok());
            authority.unwrap_or_else(|| panic!("the program said {line:?}"))
        };
        let admin = address();
        Self {
            address: address(),
            admin,
            child,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let mut connection = Connection::open(self.admin).expect("it answers");
        let (status, body) = connection.exchange("GET", path, b"").expect("it answers");
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("it answers JSON")
    }

    /// Waits until the mark of this name in the status has come to the log's head.
    pub(crate) fn wait_for(&self, mark: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.get("/v1/status")["log"].clone();
            if log[mark] == log["head"] {
                return;
            }
            assert!(Instant::now() < deadline, "{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The most memory that it has had, MiB.
    pub(crate) fn peak_memory_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("Linux tells about processes");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        kib.expect("Linux tells about memory") / 1024.0
    }

    /// CPU time that it has used, seconds.
    pub(crate) fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("Linux tells about processes");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        // In hundredths, on every Linux there is: user and system time are fields 14 and 15 of proc(5).
        let ticks = |at: usize| {
            fields
                .get(at)
                .and_then(|text| text.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        (ticks(11) + ticks(12)) / 100.0
    }

    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it in good order.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.is_ok_and(|status| status.success()));
        let status = self.ended();
        assert!(status.success(), "{status}");
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None => assert!(Instant::now() < deadline, "it does not end"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP/1.1 connection that stays open.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    pub(crate) fn exchange(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.send(&request)
    }

    /// Sends a whole request; answers the status and the body.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let head = loop {
            let mut chunk = [0; 4096];
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&chunk[..read]);
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let status = text.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
        let length = text
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
        let mut body = self.buffer.split_off(head);
        let missing = length.unwrap_or(0).saturating_sub(body.len());
        let at = body.len();
        body.resize(at + missing, 0);
        self.stream.read_exact(&mut body[at..])?;
        Ok((status, body))
    }
}
