//! Who asks: from a request to a context.

use http::{Extensions, HeaderMap, HeaderName, Method, Request, Uri, header::HeaderValue};

use crate::model::Context;

/// A request but for its body, borrowed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What layers further out have left in the request.
    pub extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    /// The head of `request`.
    #[inline]
    #[must_use]
    pub fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

/// Says who makes a request.
///
/// A closure that returns a context of its own is an extractor; so the layer that authenticates
/// requests decides who the user is, and the closure takes it from the request's extensions:
///
/// ```
/// use flagstaff::{context::RequestHead, Context, Flags, Memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// #[derive(Clone)]
/// struct Account {
///     id: String,
/// }
///
/// # let flags = Flags::builder().source(Memory::new()).start().await?;
/// let layer = flags.request_layer(|request: &RequestHead<'_>| {
///     match request.extensions.get::<Account>() {
///         Some(account) => Context::user(account.id.clone()),
///         None => Context::anonymous(),
///     }
/// });
/// # Ok(())
/// # }
/// ```
///
/// It cannot fail: a request that says nothing usable is anonymous. It runs on the request path,
/// for every request, so it must not wait.
///
/// # Example
///
/// A type can borrow from the request, and name the headers it reads:
///
/// ```
/// use flagstaff::{context::{ContextExtractor, RequestHead}, Context};
/// use http::{HeaderName, Request};
///
/// struct ByTenant([HeaderName; 1]);
///
/// impl ContextExtractor for ByTenant {
///     fn context<'a>(&self, request: &RequestHead<'a>) -> Context<'a> {
///         let tenant = request.headers.get(&self.0[0]).and_then(|value| value.to_str().ok());
///         tenant.map_or_else(Context::anonymous, Context::user)
///     }
///
///     fn headers(&self) -> &[HeaderName] {
///         &self.0
///     }
/// }
///
/// let by_tenant = ByTenant([HeaderName::from_static("x-tenant")]);
/// let request = Request::get("/").header("X-Tenant", "acme").body(()).unwrap();
/// let context = by_tenant.context(&RequestHead::of(&request));
/// assert_eq!(context.targeting_key(), Some("acme"));
/// ```
pub trait ContextExtractor {
    /// The evaluation context of a request.
    fn context<'a>(&self, request: &RequestHead<'a>) -> Context<'a>;

    /// The request headers that the context is drawn from.
    ///
    /// Responses that depend on the context name them in `Vary`, so that a cache in between
    /// does not give one user's response to another. None unless implemented.
    fn headers(&self) -> &[HeaderName] {
        &[]
    }
}

impl<F> ContextExtractor for F
where
    F: Fn(&RequestHead<'_>) -> Context<'static>,
{
    fn context<'a>(&self, request: &RequestHead<'a>) -> Context<'a> {
        self(request).shorten()
    }
}

/// Takes everybody for anonymous: for flags that are the same for all.
///
/// # Example
///
/// ```
/// use flagstaff::context::{Anonymous, ContextExtractor, RequestHead};
///
/// let request = http::Request::new(());
///
/// assert_eq!(Anonymous.context(&RequestHead::of(&request)).targeting_key(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Anonymous;

impl ContextExtractor for Anonymous {
    fn context<'a>(&self, _request: &RequestHead<'a>) -> Context<'a> {
        Context::anonymous()
    }
}

/// Takes the user from request headers that a proxy in front sets: `X-User-ID`, and
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
    use proptest::prelude::*;

    use super::*;

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

        let ana = Context::user("ana").with_groups(["beta", "employees", "qa"]);
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
        let extractor = move |_: &RequestHead<'_>| Context::user("ana").with_groups(groups);

        let request = request(&[]);
        let context = ContextExtractor::context(&extractor, &RequestHead::of(&request));

        assert_eq!(context, Context::user("ana").with_groups(groups));
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
            prop_assert!(context.groups().all(|group| !group.is_empty() && !group.contains(',')));
        }
    }
}
