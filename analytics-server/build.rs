//! Puts the built dashboard into the binary; without one, a page that says how to build it.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let dist = here.join("dashboard/dist");
    println!("cargo::rerun-if-changed=build.rs");
    // A path that is missing would make Cargo run this at every build: watch what is there, and see `dist` appear in it.
    let watched = if dist.is_dir() {
        dist.clone()
    } else {
        here.join("dashboard")
    };
    println!("cargo::rerun-if-changed={}", watched.display());

    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &dist, &mut files)?;
        files.sort();
    } else {
        let page = out.join("missing.html");
        fs::write(&page, MISSING)?;
        files.push(("index.html".to_owned(), page));
    }
    let mut code = "static ASSETS: &[Asset] = &[\n".to_owned();
    for (path, file) in files {
        let bytes = fs::read(&file)?;
        let copy = out.join(path.replace('/', "_"));
        fs::write(&copy, &bytes)?;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let content_type = content_type(&path);
        writeln!(
            code,
            "Asset {{ path: {path:?}, content_type: {content_type:?}, etag: {etag:?}, bytes: include_bytes!({copy:?}) }},"
        )
        .map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    fs::write(out.join("assets.rs"), code)
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            files.push((name.replace('\\', "/"), path.clone()));
        }
    }
    Ok(())
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

const MISSING: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Headgate</title>
<h1>The dashboard is not built</h1>
<p>This server was compiled without it. In the checkout, run</p>
<pre>npm install
npm run build --workspace analytics-server/dashboard
cargo build -p analytics-server</pre>
<p>and start the server again. The JSON is there nevertheless: <a href=/v1/overview>/v1/overview</a>,
<a href=/v1/views>/v1/views</a>, <a href=/v1/live>/v1/live</a>.</p>
";
