//! URLs: resolution against a base (RFC 3986, section 5.2), and what of them may be stored.

/// Why a URL of a manifest cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Only `http:` and `https:` are fetched.
    #[error("the scheme \"{0}:\" is not fetched; only http: and https: are")]
    Scheme(String),
    /// An absolute URL names no host.
    #[error("an http: or https: URL must name a host")]
    NoHost,
    /// The base is not absolute, so that nothing can be resolved against it.
    #[error("a relative URL has no absolute base to be resolved against")]
    NoBase,
    /// Longer than [`MAX_LENGTH`].
    #[error("a URL of {0} bytes is too long; the limit is {MAX_LENGTH}")]
    TooLong(usize),
}

/// The longest URL that is accepted, bytes.
pub const MAX_LENGTH: usize = 64 * 1024;

struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

/// Splits a reference; the fragment is dropped, it never goes to a server.
fn split(url: &str) -> Parts<'_> {
    let url = url.split('#').next().unwrap_or_default();
    let (scheme, rest) = match url.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, url),
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            Parts {
                scheme,
                authority: rest.get(..end),
                path: rest.get(end..).unwrap_or_default(),
                query,
            }
        }
        None => Parts {
            scheme,
            authority: None,
            path: rest,
            query,
        },
    }
}

fn is_scheme(s: &str) -> bool {
    s.starts_with(|c: char| c.is_ascii_alphabetic())
        && s.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// Resolves `reference` against an absolute `base`.
///
/// # Errors
/// If the result is not an `http:` or `https:` URL, or is too long.
pub fn resolve(base: &str, reference: &str) -> Result<String, UrlError> {
    let reference = reference.trim();
    if reference.len() + base.len() > MAX_LENGTH {
        return Err(UrlError::TooLong(reference.len() + base.len()));
    }
    let r = split(reference);
    if let Some(scheme) = r.scheme {
        if !is_http(scheme) {
            return Err(UrlError::Scheme(scheme.to_owned()));
        }
        if r.authority.is_none_or(str::is_empty) {
            return Err(UrlError::NoHost);
        }
        let path = remove_dot_segments(r.path);
        return Ok(join(scheme, r.authority, &path, r.query));
    }
    let b = split(base.trim());
    let scheme = b.scheme.ok_or(UrlError::NoBase)?;
    if !is_http(scheme) {
        return Err(UrlError::Scheme(scheme.to_owned()));
    }
    if r.authority.is_some_and(str::is_empty) {
        return Err(UrlError::NoHost);
    }
    if r.authority.is_some() {
        return Ok(join(scheme, r.authority, &remove_dot_segments(r.path), r.query));
    }
    if r.path.is_empty() {
        return Ok(join(scheme, b.authority, b.path, r.query.or(b.query)));
    }
    let path = if r.path.starts_with('/') {
        remove_dot_segments(r.path)
    } else {
        let directory = match b.path.rfind('/') {
            Some(slash) => b.path.get(..=slash).unwrap_or("/"),
            None => "/",
        };
        remove_dot_segments(&format!("{directory}{}", r.path))
    };
    Ok(join(scheme, b.authority, &path, r.query))
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

fn join(scheme: &str, authority: Option<&str>, path: &str, query: Option<&str>) -> String {
    let mut url = format!("{}:", scheme.to_ascii_lowercase());
    if let Some(authority) = authority {
        url.push_str("//");
        url.push_str(authority);
    }
    url.push_str(path);
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    url
}

fn remove_dot_segments(path: &str) -> String {
    if !scan::contains(path.as_bytes(), b"/.") && !path.starts_with('.') {
        return path.to_owned();
    }
    let absolute = path.starts_with('/');
    let mut out: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." if last => out.push(""),
            "." => {}
            ".." => {
                out.pop();
                if last {
                    out.push("");
                }
            }
            _ => out.push(segment),
        }
    }
    let joined = out.join("/");
    if absolute { format!("/{joined}") } else { joined }
}

/// A URL without user info, query and fragment: what may be logged or reported, since tokens live in the rest.
pub fn public(url: &str) -> String {
    let parts = split(url);
    let authority = parts
        .authority
        .map(|a| a.rsplit_once('@').map_or(a, |(_, host)| host));
    match parts.scheme {
        Some(scheme) if is_http(scheme) => join(scheme, authority, parts.path, None),
        Some(scheme) => format!("{scheme}:…"),
        None => parts.path.to_owned(),
    }
}

/// The last part of a URL's path, for messages to people.
pub fn file_name(url: &str) -> &str {
    split(url).path.rsplit('/').next().unwrap_or_default()
}

/// The host (and port) of a URL; empty if it has none.
pub fn host(url: &str) -> &str {
    let authority = split(url).authority.unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3986_examples() {
        // Section 5.4.1, with an http scheme.
        let base = "http://a/b/c/d;p?q";
        for (reference, expected) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
            ("https://h/x#frag", "https://h/x"),
            ("HTTPS://h/x", "https://h/x"),
        ] {
            assert_eq!(resolve(base, reference).as_deref(), Ok(expected), "{reference}");
        }
    }

    #[test]
    fn only_http_is_fetched() {
        for bad in [
            "javascript:alert(1)",
            "file:///etc/passwd",
            "data:text/plain,x",
            "blob:x",
        ] {
            assert!(
                matches!(resolve("https://h/", bad), Err(UrlError::Scheme(_))),
                "{bad}"
            );
        }
        assert_eq!(resolve("relative/base", "x"), Err(UrlError::NoBase));
        assert_eq!(resolve("https://h/", "http:/no/host"), Err(UrlError::NoHost));
        assert_eq!(resolve("https://h/", "http:///no/host"), Err(UrlError::NoHost));
        assert_eq!(resolve("https://h/", "///no/host"), Err(UrlError::NoHost));
    }

    #[test]
    fn what_is_stored_holds_no_secret() {
        assert_eq!(
            public("https://user:pw@h:1/a/b.mpd?token=1#x"),
            "https://h:1/a/b.mpd"
        );
        assert_eq!(public("data:secret"), "data:…");
        assert_eq!(host("https://user:pw@h:1/a"), "h:1");
        assert_eq!(file_name("https://h/a/b.mpd?x=/y"), "b.mpd");
    }
}
