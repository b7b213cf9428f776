//! Users and groups from headers that a proxy sets.

use std::{convert::Infallible, marker::PhantomData};

use http::{HeaderMap, HeaderName, StatusCode, header::HeaderValue};

use super::{ContextExtractor, MAX_STRING, RequestHead, TryContextExtractor};
use crate::{model::Context, text::line};

/// An extractor that reads the user from request headers that a proxy in front sets: `X-User-ID`, and
/// `X-User-Groups` with commas between the groups.
///
/// **Any client can send these headers.** Use this only behind a proxy that removes them from what
/// clients send and sets them itself, with nothing else able to reach the service. Otherwise any client
/// can act as any user, and open any gate that is open to some user.
///
/// Several `X-User-Groups` lines are one list, as RFC 9110 has it (section 5.3). White space around a
/// group and empty groups are dropped. White space around a user is dropped, and an empty user counts as
/// missing.
///
/// # Unclear requests
///
/// A request whose user is not certain gets `400 Bad Request`. It is one of these:
///
/// - It has several `X-User-ID` lines. Behind a proxy that adds its line to the client's, the two look
///   alike, and a denied user could add a line to become another user, or none.
/// - A user or a list of groups is not UTF-8.
/// - The user, or all groups together, take more than 8 KiB.
///
/// With [`or_anonymous`](Self::or_anonymous) such a request is anonymous instead, without groups.
///
/// # Example
///
/// ```
/// use flagstaff::{context::{RequestHead, TryContextExtractor}, Context, TrustedHeaders};
/// use http::{Request, StatusCode};
///
/// let headers = TrustedHeaders::default().user("X-Account")?;
/// let mut request = Request::get("/")
///     .header("X-Account", "ana")
///     .header("X-User-Groups", "beta, employees")
///     .body(())?;
///
/// let ana = Context::user("ana").group("beta").group("employees");
/// assert_eq!(headers.try_context(&RequestHead::of(&request)), Ok(ana));
///
/// request.headers_mut().append("X-Account", "bob".parse()?);
/// assert_eq!(headers.try_context(&RequestHead::of(&request)), Err(StatusCode::BAD_REQUEST));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Types
///
/// `X` is the answer to unclear requests: a status, or [`Infallible`] where they are anonymous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedHeaders<X = StatusCode> {
    /// The header of the user, then that of the groups.
    names: [HeaderName; 2],
    refusal: PhantomData<X>,
}

impl Default for TrustedHeaders {
    fn default() -> Self {
        let names = ["x-user-id", "x-user-groups"].map(HeaderName::from_static);
        Self { names, refusal: PhantomData }
    }
}

impl TrustedHeaders {
    /// Treats [unclear requests](Self#unclear-requests) as anonymous, without groups.
    ///
    /// Deny-lists do not apply to such a request. So a denied user who can send a second line gets every flag that
    /// anonymous users get.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{context::{ContextExtractor, RequestHead}, Context, TrustedHeaders};
    /// use http::Request;
    ///
    /// let headers = TrustedHeaders::default().or_anonymous();
    /// let request = Request::get("/")
    ///     .header("X-User-ID", "ana")
    ///     .header("X-User-ID", "bob")
    ///     .header("X-User-Groups", "beta")
    ///     .body(())?;
    ///
    /// assert_eq!(headers.context(&RequestHead::of(&request)), Context::anonymous());
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn or_anonymous(self) -> TrustedHeaders<Infallible> {
        TrustedHeaders { names: self.names, refusal: PhantomData }
    }
}

impl<X> TrustedHeaders<X> {
    /// Reads the user from another header.
    ///
    /// # Errors
    ///
    /// Returns an error if `name` cannot be the name of a header.
    pub fn user(mut self, name: &str) -> Result<Self, InvalidHeader> {
        self.names[0] = header_name(name)?;
        Ok(self)
    }

    /// Reads the groups from another header.
    ///
    /// # Errors
    ///
    /// Returns an error if `name` cannot be the name of a header.
    pub fn groups(mut self, name: &str) -> Result<Self, InvalidHeader> {
        self.names[1] = header_name(name)?;
        Ok(self)
    }
}

impl<X> TrustedHeaders<X> {
    /// Reads the context, or returns the result of `unclear`.
    #[inline]
    fn read<'a, E>(
        &self,
        headers: &'a HeaderMap,
        unclear: impl Fn() -> Result<Context<'a>, E>,
    ) -> Result<Context<'a>, E> {
        let [user, groups] = &self.names;
        let (mut last, mut has_groups) = (None, false);
        if headers.len() <= FEW {
            let names = (user.as_str(), groups.as_str());
            for (name, value) in headers {
                let name = name.as_str();
                if is_same(name, names.0) && last.replace(value).is_some() {
                    return unclear();
                }
                has_groups |= is_same(name, names.1);
            }
        } else {
            last = match is_each_single(headers) {
                true => headers.get(user),
                false => {
                    let mut lines = headers.get_all(user).iter();
                    let first = lines.next();
                    if lines.next().is_some() {
                        return unclear();
                    }
                    first
                }
            };
            has_groups = headers.contains_key(groups);
        }
        let user = match last.map(text) {
            None | Some(Some("")) => None,
            Some(Some(user)) => Some(user),
            Some(None) => return unclear(),
        };
        // Made where it is returned, since a context is large, and moving it takes 20 instructions.
        if !has_groups {
            return Ok(Context::user(user));
        }
        match with_groups(Context::user(user), groups, headers) {
            Some(context) => Ok(context),
            None => unclear(),
        }
    }
}

/// Returns true if no header has several lines. Looking for further lines takes 30 instructions.
fn is_each_single(headers: &HeaderMap) -> bool {
    headers.len() == headers.keys_len()
}

/// Adds the groups in a header; returns `None` if they are unclear.
// Not inlined, so that the code exists once.
#[inline(never)]
fn with_groups<'a>(
    mut context: Context<'a>,
    groups: &HeaderName,
    headers: &'a HeaderMap,
) -> Option<Context<'a>> {
    let mut length = 0;
    let add = |line: &'a HeaderValue| {
        length += line.len();
        let line = text(line).filter(|_| length <= MAX_STRING);
        line.map(|line| add_groups(&mut context, line)).is_some()
    };
    let are_clear = match is_each_single(headers) {
        true => headers.get(groups).is_none_or(add),
        false => headers.get_all(groups).iter().all(add),
    };
    are_clear.then_some(context)
}

fn add_groups<'a>(context: &mut Context<'a>, line: &'a str) {
    for group in line.split(',').map(str::trim).filter(|group| !group.is_empty()) {
        context.add_group(group);
    }
}

impl TryContextExtractor for TrustedHeaders {
    type Refusal = StatusCode;

    fn try_context<'a>(&self, request: &RequestHead<'a>) -> Result<Context<'a>, StatusCode> {
        self.read(request.headers, || Err(StatusCode::BAD_REQUEST))
    }

    fn headers(&self) -> &[HeaderName] {
        &self.names
    }
}

impl ContextExtractor for TrustedHeaders<Infallible> {
    fn context<'a>(&self, request: &RequestHead<'a>) -> Context<'a> {
        let Ok(context) = self.read(request.headers, || Ok::<_, Infallible>(Context::anonymous()));
        context
    }

    fn headers(&self) -> &[HeaderName] {
        &self.names
    }
}

/// Up to this many headers, comparing their names one by one is cheaper than hashing two names.
const FEW: usize = 8;

/// Returns the string of a header; `None` if it is too long, or not UTF-8.
#[inline(always)]
fn text(value: &HeaderValue) -> Option<&str> {
    if value.len() > MAX_STRING {
        return None;
    }
    // `to_str` takes ASCII only, and is faster at it.
    let text = value.to_str().or_else(|_| std::str::from_utf8(value.as_bytes())).ok()?;
    // Looking at both ends first is faster where there is nothing to trim. Of the bytes up to a space, a header has
    // spaces and tabs only.
    let is_blank = |end: Option<&u8>| end.is_some_and(|&end| end <= b' ');
    let bytes = text.as_bytes();
    match is_blank(bytes.first()) || is_blank(bytes.last()) {
        true => Some(text.trim_ascii()),
        false => Some(text),
    }
}

/// Returns true if two names of headers are equal.
// Compares names of 8 to 16 bytes as two words. A call of `memcmp` takes 20 instructions more, and the loop around it
// keeps its variables in memory then (bench `gate`, by header).
#[inline(always)]
fn is_same(name: &str, other: &str) -> bool {
    let (a, b) = (name.as_bytes(), other.as_bytes());
    a.len() == b.len()
        && a.first_chunk::<8>() == b.first_chunk()
        && a.last_chunk::<8>() == b.last_chunk()
        && ((8..=16).contains(&a.len()) || is_same_otherwise(name, other))
}

#[cold]
#[inline(never)]
fn is_same_otherwise(name: &str, other: &str) -> bool {
    name == other
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
#[error("`{}` cannot be the name of a header", line(name))]
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

    /// Returns the context of a request, and its context where unclear requests are anonymous.
    fn read<'a>(request: &'a Request<()>) -> (Result<Context<'a>, StatusCode>, Context<'a>) {
        let (headers, head) = (TrustedHeaders::default(), RequestHead::of(request));
        (headers.try_context(&head), headers.or_anonymous().context(&head))
    }

    #[test]
    fn groups_of_several_lines_are_one_list_without_blanks() {
        let request = request(&[
            ("X-User-ID", b" ana "),
            ("X-User-Groups", b"beta,, employees ,"),
            ("x-user-groups", b"\tqa"),
            ("x-user-groups", b""),
        ]);

        let (context, same) = read(&request);

        assert_eq!(context, Ok(Context::user("ana").groups(["beta", "employees", "qa"])));
        assert_eq!(context, Ok(same));
    }

    #[test]
    fn an_empty_user_is_anonymous_and_keeps_the_groups() {
        for value in [&b""[..], b" ", b"\t"] {
            let request = request(&[("x-user-id", value), ("x-user-groups", b"beta")]);

            assert_eq!(read(&request).0, Ok(Context::anonymous().group("beta")));
        }
    }

    #[test]
    fn a_user_beyond_ascii_is_a_user() {
        let request = request(&[("x-user-id", "zoë".as_bytes())]);

        assert_eq!(read(&request).0, Ok(Context::user("zoë")));
    }

    #[test]
    fn strings_up_to_8_kib_are_kept() {
        let (user, groups) = ("u".repeat(MAX_STRING), "g,".repeat(MAX_STRING / 4));
        let lines = ["x-user-groups"; 2].map(|name| (name, groups.as_bytes()));
        let request = request(&[lines[0], ("x-user-id", user.as_bytes()), lines[1]]);

        let context = read(&request).0.unwrap();

        assert_eq!(context.targeting_key(), Some(&*user));
        assert_eq!(context.iter_groups().len(), MAX_STRING / 2);
    }

    #[test]
    fn an_unclear_request_is_refused_or_anonymous_without_groups() {
        let (long, half) = ("u".repeat(MAX_STRING + 1), "g".repeat(MAX_STRING / 2 + 1));
        let beta = ("x-user-groups", &b"beta"[..]);
        let half = ("x-user-groups", half.as_bytes());
        for lines in [
            &[("x-user-id", &b"ana"[..]), ("x-user-id", b"bob"), beta][..],
            &[beta, ("x-user-id", b"ana"), ("X-User-ID", b"ana")],
            &[("x-user-id", b"ana"), ("x-user-id", b""), beta],
            &[("x-user-id", b"\xff"), beta],
            &[("x-user-id", long.as_bytes()), beta],
            &[("x-user-id", b"ana"), ("x-user-groups", b"a,\xff"), beta],
            &[("x-user-id", b"ana"), ("x-user-groups", long.as_bytes()), beta],
            &[("x-user-id", b"ana"), half, half],
        ] {
            // With many headers, names are looked up in another way.
            for others in [0, FEW] {
                let mut request = request(lines);
                for n in 0..others {
                    let name = format!("x-{n}").parse::<HeaderName>().unwrap();
                    request.headers_mut().append(name, HeaderValue::from_static("something"));
                }

                let expected = (Err(StatusCode::BAD_REQUEST), Context::anonymous());
                assert_eq!(read(&request), expected, "{others} {lines:?}");
            }
        }
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

            let (clear, context) = read(&request);

            prop_assert!(clear.is_err() || clear.as_ref() == Ok(&context));
            prop_assert!(context.targeting_key() != Some(""));
            prop_assert!(context.iter_groups().all(|group| !group.is_empty() && !group.contains(',')));
        }
    }
}
