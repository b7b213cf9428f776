//! The headers that limit caches for responses that depend on the user.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, VARY},
};

/// The users that a response is for.
pub(super) enum Audience {
    All,
    /// The users of a flag that depends on the context, with the request headers that the context
    /// was derived from, as `Vary` lists them.
    Some(Option<Arc<str>>),
}

impl Audience {
    /// Keeps caches from serving the response to other users.
    pub(super) fn limit(self, headers: &mut HeaderMap) {
        let Self::Some(names) = self else { return };
        make_private(headers);
        if let Some(names) = names {
            vary_by(headers, &names);
        }
    }

    /// Keeps caches from storing the response.
    ///
    /// Nothing is added to a response that no cache stores anyway, so that a hidden route can stay
    /// hidden.
    pub(super) fn hide(self, headers: &mut HeaderMap) {
        if let Self::Some(_) = self {
            make_unstored(headers);
        }
    }
}

pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Keeps shared caches from storing the response (RFC 9111, section 5.2.2.7).
///
/// `no-store` and `private` are unchanged. The opposite directives `public` and `s-maxage` are
/// removed, and all others stay. Fields for single caches are removed, so that no cache uses them
/// instead.
pub(super) fn make_private(headers: &mut HeaderMap) {
    remove_targeted(headers);
    if is_kept_out_of_shared_caches(headers) {
        return;
    }
    let mut kept: Vec<u8> = Vec::new();
    for line in headers.get_all(CACHE_CONTROL) {
        for directive in directives(line.as_bytes()) {
            let name = directive.split(|&byte| byte == b'=').next().unwrap_or_default();
            if is(name, "public") || is(name, "s-maxage") {
                continue;
            }
            kept.extend_from_slice(b", ");
            kept.extend_from_slice(directive);
        }
    }
    let private = [b"private", kept.as_slice()].concat();
    let private = HeaderValue::from_bytes(&private);
    // Parts of valid values make a valid value.
    headers.insert(CACHE_CONTROL, private.unwrap_or(HeaderValue::from_static("private")));
}

/// Keeps all caches from storing a response that is not for all users.
///
/// A `Cache-Control` with `no-store` or `private` is unchanged, and any other is replaced.
fn make_unstored(headers: &mut HeaderMap) {
    remove_targeted(headers);
    if !is_kept_out_of_shared_caches(headers) {
        headers.insert(CACHE_CONTROL, NO_STORE);
    }
}

/// Returns true if `Cache-Control` already keeps the response out of shared caches.
fn is_kept_out_of_shared_caches(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CACHE_CONTROL).into_iter();
    // A `private` with an argument covers single fields only.
    let is_kept_out = |directive| ["private", "no-store"].iter().any(|name| is(directive, name));
    lines.any(|line| directives(line.as_bytes()).any(is_kept_out))
}

/// Fields for single caches from before RFC 9213: of the Edge Architecture, of Akamai and of nginx.
const OTHER_TARGETED: [&str; 3] = ["surrogate-control", "edge-control", "x-accel-expires"];

/// Removes the fields that single caches read instead of `Cache-Control`, such as
/// `CDN-Cache-Control`. Without their own fields, these caches read `Cache-Control` (RFC 9213,
/// section 2.2).
fn remove_targeted(headers: &mut HeaderMap) {
    // The suffix is a convention that does not identify a targeted field (section 2.4). Removing
    // another field costs a cache some hits. Leaving one in gives a response to the wrong user.
    let is_targeted = |name: &HeaderName| {
        let name = name.as_str();
        name.ends_with("-cache-control") || OTHER_TARGETED.contains(&name)
    };
    let targeted: Vec<HeaderName> =
        headers.keys().filter(|name| is_targeted(name)).cloned().collect();
    for name in targeted {
        headers.remove(name);
    }
}

/// Keeps caches from storing the response, unless it has a `Cache-Control` of its own.
pub(super) fn keep_out(headers: &mut HeaderMap) {
    headers.entry(CACHE_CONTROL).or_insert(NO_STORE);
}

/// Adds the header names to `Vary` that it does not list yet.
fn vary_by(headers: &mut HeaderMap, names: &str) {
    let listed = |name: &str| {
        let lines = headers.get_all(VARY).into_iter();
        lines.flat_map(|line| directives(line.as_bytes())).any(|one| is(one, name) || one == b"*")
    };
    let missing: Vec<_> = names.split(", ").filter(|name| !listed(name)).collect();
    if missing.is_empty() {
        return;
    }
    // Names of headers make a valid value.
    if let Ok(missing) = HeaderValue::try_from(missing.join(", ")) {
        headers.append(VARY, missing);
    }
}

fn is(directive: &[u8], name: &str) -> bool {
    directive.eq_ignore_ascii_case(name.as_bytes())
}

/// Returns the parts between the commas that are not inside quotes, without white space around
/// them.
fn directives(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = line.split(move |&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' => return !quoted,
            _ => {}
        }
        false
    });
    parts.map(<[u8]>::trim_ascii).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), line.parse().unwrap());
        }
        headers
    }

    fn all(headers: &HeaderMap, name: HeaderName) -> Vec<&str> {
        headers.get_all(name).into_iter().map(|line| line.to_str().unwrap()).collect()
    }

    #[test]
    fn a_private_response_keeps_what_does_not_contradict_it() {
        for (before, after) in [
            (&[][..], &["private"][..]),
            (&["max-age=60"], &["private, max-age=60"]),
            (&["public, max-age=60"], &["private, max-age=60"]),
            (&["Public", "S-MaxAge=5, max-age=1"], &["private, max-age=1"]),
            (&["no-store"], &["no-store"]),
            (&["max-age=60, Private"], &["max-age=60, Private"]),
            (&["private=\"set-cookie\""], &["private, private=\"set-cookie\""]),
            (&["no-cache=\"a, public\""], &["private, no-cache=\"a, public\""]),
            (&["x=\"\\\", no-store\""], &["private, x=\"\\\", no-store\""]),
        ] {
            let mut headers = headers(&CACHE_CONTROL, before);

            make_private(&mut headers);

            assert_eq!(all(&headers, CACHE_CONTROL), after, "{before:?}");
        }
    }

    #[test]
    fn vary_grows_by_the_names_it_does_not_list() {
        for (before, after) in [
            (&[][..], &["x-user-id, cookie"][..]),
            (&["accept"], &["accept", "x-user-id, cookie"]),
            (&["Accept, Cookie"], &["Accept, Cookie", "x-user-id"]),
            (&["X-User-ID", "cookie"], &["X-User-ID", "cookie"]),
            (&["*"], &["*"]),
        ] {
            let mut headers = headers(&VARY, before);

            vary_by(&mut headers, "x-user-id, cookie");

            assert_eq!(all(&headers, VARY), after, "{before:?}");
        }
    }
}
