//! Users and groups from headers that a proxy sets.

use http::{HeaderName, header::HeaderValue};

use super::{ContextExtractor, RequestHead};
use crate::model::Context;

/// An extractor that takes the user from request headers that a proxy in front sets: `X-User-ID`, and
/// `X-User-Groups` with commas between the groups.
///
/// **Any client can send these headers.** Use this only behind a proxy that removes them from what
/// clients send and sets them itself, with nothing else able to reach the service. Otherwise
/// everybody can be any user, and open any gate that is open to somebody.
///
/// Several `X-User-Groups` lines add up, as RFC 9110 has it (section 5.3). White space around a
/// group and empty groups are dropped. White space around a user is dropped, and an empty one is
/// no user. Several `X-User-ID` lines are no user either: behind a proxy that adds its line to the
/// client's, nobody can tell which is whose. A value that is not UTF-8 is ignored.
///
/// # Example
///
/// ```
/// use flagstaff::{context::{ContextExtractor, RequestHead}, Context, TrustedHeaders};
/// use http::Request;
///
/// let headers = TrustedHeaders::default().user("X-Account")?;
/// let request = Request::get("/")
///     .header("X-Account", "ana")
///     .header("X-User-Groups", "beta, employees")
///     .body(())?;
///
/// let ana = Context::user("ana").group("beta").group("employees");
/// assert_eq!(headers.context(&RequestHead::of(&request)), ana);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedHeaders {
    /// The user's, then the groups'.
    names: [HeaderName; 2],
}

impl Default for TrustedHeaders {
    fn default() -> Self {
        let names = ["x-user-id", "x-user-groups"].map(HeaderName::from_static);
        Self { names }
    }
}

impl TrustedHeaders {
    /// Reads the user from another header.
    ///
    /// # Errors
    ///
    /// If `name` cannot be the name of a header.
    pub fn user(mut self, name: &str) -> Result<Self, InvalidHeader> {
        self.names[0] = header_name(name)?;
        Ok(self)
    }

    /// Reads the groups from another header.
    ///
    /// # Errors
    ///
    /// If `name` cannot be the name of a header.
    pub fn groups(mut self, name: &str) -> Result<Self, InvalidHeader> {
        self.names[1] = header_name(name)?;
        Ok(self)
    }
}

impl ContextExtractor for TrustedHeaders {
    fn context<'a>(&self, request: &RequestHead<'a>) -> Context<'a> {
        let ([user, groups], headers) = (&self.names, request.headers);
        let (mut users, mut last, mut has_groups) = (0, None, true);
        let mut note = |value| (users, last) = (users + 1, Some(value));
        if headers.len() > FEW {
            headers.get_all(user).iter().for_each(note);
        } else {
            has_groups = false;
            for (name, value) in headers {
                if name == user {
                    note(value);
                }
                has_groups |= name == groups;
            }
        }
        let mut context = match last.filter(|_| users == 1).and_then(text) {
            Some(user) if !user.is_empty() => Context::user(user),
            _ => Context::anonymous(),
        };
        if has_groups {
            for line in headers.get_all(groups).iter().filter_map(text) {
                for group in line.split(',').map(str::trim).filter(|group| !group.is_empty()) {
                    context = context.group(group);
                }
            }
        }
        context
    }

    fn headers(&self) -> &[HeaderName] {
        &self.names
    }
}

/// Up to this many headers, comparing their names one by one is cheaper than hashing two names.
const FEW: usize = 8;

fn text(value: &HeaderValue) -> Option<&str> {
    // `to_str` takes ASCII only, and is faster at it.
    let text = value.to_str().or_else(|_| std::str::from_utf8(value.as_bytes()));
    text.ok().map(str::trim_ascii)
}

fn header_name(name: &str) -> Result<HeaderName, InvalidHeader> {
    name.parse().map_err(|_| InvalidHeader { name: name.to_owned() })
}

/// A name that no header can have.
///
/// # Example
///
/// ```
/// use flagstaff::TrustedHeaders;
///
/// let error = TrustedHeaders::default().user("user id").unwrap_err();
///
/// assert_eq!(error.to_string(), "`user id` cannot be the name of a header");
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot be the name of a header")]
pub struct InvalidHeader {
    name: String,
}

crate::error::debug_is_message!(InvalidHeader);

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;
    use crate::http::context_fn;

    fn request(headers: &[(&str, &[u8])]) -> Request<()> {
        let mut request = Request::new(());
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().append(name.parse::<HeaderName>().unwrap(), value);
        }
        request
    }

    #[test]
    fn groups_of_several_lines_add_up_without_blanks() {
        let request = request(&[
            ("X-User-ID", b" ana "),
            ("X-User-Groups", b"beta,, employees ,"),
            ("x-user-groups", b"\tqa"),
            ("x-user-groups", b""),
        ]);

        let context = TrustedHeaders::default().context(&RequestHead::of(&request));

        let ana = Context::user("ana").groups(["beta", "employees", "qa"]);
        assert_eq!(context, ana);
    }

    #[test]
    fn an_empty_user_is_no_user() {
        for value in [&b""[..], b" ", b"\t"] {
            let request = request(&[("x-user-id", value)]);

            let context = TrustedHeaders::default().context(&RequestHead::of(&request));

            assert_eq!(context, Context::anonymous());
        }
    }

    #[test]
    fn several_users_are_no_user() {
        let request = request(&[("x-user-id", b"ana"), ("x-user-id", b"bob")]);

        assert_eq!(
            TrustedHeaders::default().context(&RequestHead::of(&request)),
            Context::anonymous()
        );
    }

    #[test]
    fn users_beyond_ascii_are_users_and_what_is_not_utf8_is_ignored() {
        let headers = TrustedHeaders::default();

        let zoe = request(&[("x-user-id", "zoë".as_bytes())]);
        assert_eq!(headers.context(&RequestHead::of(&zoe)).targeting_key(), Some("zoë"));

        let garbage = request(&[("x-user-id", b"\xff"), ("x-user-groups", b"a,\xff")]);
        assert_eq!(headers.context(&RequestHead::of(&garbage)), Context::anonymous());
    }

    #[test]
    fn a_closure_of_more_groups_than_fit_on_the_stack_keeps_them_all() {
        let groups = ["a", "b", "c", "d"];
        let extractor = context_fn(move |_| Context::user("ana").groups(groups));

        let request = request(&[]);
        let context = extractor.context(&RequestHead::of(&request));

        assert_eq!(context, Context::user("ana").groups(groups));
    }

    proptest! {
        #[test]
        fn no_header_value_makes_it_panic(
            user in proptest::collection::vec(any::<u8>(), 0..40),
            groups in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut request = Request::new(());
            for (name, bytes) in [("x-user-id", &user), ("x-user-groups", &groups)] {
                if let Ok(value) = HeaderValue::from_bytes(bytes) {
                    request.headers_mut().insert(name, value);
                }
            }

            let context = TrustedHeaders::default().context(&RequestHead::of(&request));

            prop_assert!(context.targeting_key() != Some(""));
            prop_assert!(context.iter_groups().all(|group| !group.is_empty() && !group.contains(',')));
        }
    }
}
