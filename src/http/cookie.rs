//! Ids for visitors without an account.

use std::{fmt, sync::Arc};

use cookie::{Cookie, CookieJar, Key, SameSite, time::Duration};
use http::{HeaderValue, header::COOKIE};
use uuid::Uuid;

use super::{
    RequestHead, RequestLayer,
    request::{Identify, Visitor},
};

use crate::text::line;

/// A signed cookie that gives visitors a lasting id if the extractor finds no user. A percentage then
/// has one answer for a visitor on every visit.
///
/// The id is random. A request without the cookie gets a new id, and its response sets the cookie:
/// `HttpOnly; SameSite=Lax; Secure; Path=/`, for a year. So does a request whose cookie was not
/// signed with the secret, for this purpose and under this name. A client cannot choose an id that
/// falls into a certain bucket. It can drop the cookie and get another random one.
///
/// A response that sets the cookie gets `Cache-Control: private`, unless it has that or `no-store`.
/// So no cache in between gives one visitor's id to another.
///
/// # Login
///
/// A visitor who logs in gets the bucket of the account, since the user's id replaces the visitor's
/// as the targeting key. The answer of a percentage may then change. To keep the bucket, draw by
/// the attribute `visitor`: `bucket_by = "visitor"`. It is the id in the cookie, also after the
/// login. For a user without the cookie it is the user's id. An attribute of that name from the
/// extractor is unchanged.
///
/// # Secrets
///
/// All processes of a service need the same secret. The key is derived from the secret, from the
/// purpose and from the cookie's name. So a service may use the secret for other cookies, too.
///
/// A new secret alone makes every visitor a new one. To replace a secret and keep the visitors:
///
/// 1. Start all processes with the old secret, and the new one as [`accepting`](Self::accepting).
/// 2. Start them with the new secret, and the old one as `accepting`. Each visitor who comes back gets
///    the same id in a cookie that is signed with the new secret.
/// 3. Drop the old secret after a year, when the cookies that it signed have expired.
///
/// # Example
///
/// ```
/// use flagstaff::{
///     context::{Anonymous, StickyCookie},
///     Definition, Flags, Memory, Percentage,
/// };
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let half = Definition::new().percentage(Percentage::whole(50)?);
/// let flags = Flags::builder().source(Memory::new().with("new_search", half)).start().await?;
///
/// # let secret = [7; 32];
/// let layer = flags
///     .request_layer(Anonymous)
///     .sticky_cookie(StickyCookie::new(&secret)?);
/// let service = ServiceBuilder::new().layer(layer).service_fn(async |_: Request<()>| {
///     Ok::<_, std::convert::Infallible>(Response::new(flagstaff::is_enabled("new_search")))
/// });
///
/// let first = service.clone().oneshot(Request::new(())).await?;
/// let cookie = first.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or_default();
///
/// let again = Request::get("/").header("cookie", cookie).body(())?;
/// let second = service.oneshot(again).await?;
///
/// assert_eq!(first.body().get_ref(), second.body().get_ref());
/// assert!(!second.headers().contains_key("set-cookie"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct StickyCookie {
    /// The secret that signs, then the other secrets that are accepted.
    secrets: Vec<Box<[u8]>>,
    name: Box<str>,
    secure: bool,
}

impl StickyCookie {
    /// Creates a cookie named `flagstaff_visitor`, signed with a key that is derived from `secret`:
    /// at least 32 random bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if the secret is shorter than 32 bytes.
    pub fn new(secret: &[u8]) -> Result<Self, InvalidCookie> {
        let none = Self { secrets: Vec::new(), name: "flagstaff_visitor".into(), secure: true };
        none.accepting(secret)
    }

    /// Also accepts cookies that were signed with another secret. See [Secrets](Self#secrets).
    ///
    /// A visitor who sends such a cookie gets a new one with the same id. Each further call adds a
    /// secret.
    ///
    /// # Errors
    ///
    /// Returns an error if the secret is shorter than 32 bytes.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::context::StickyCookie;
    ///
    /// # let (new, old) = ([1; 32], [2; 32]);
    /// let cookie = StickyCookie::new(&new)?.accepting(&old)?;
    /// # Ok::<(), flagstaff::context::InvalidCookie>(())
    /// ```
    pub fn accepting(mut self, secret: &[u8]) -> Result<Self, InvalidCookie> {
        if secret.len() < 32 {
            return Err(InvalidCookie::Secret);
        }
        self.secrets.push(secret.into());
        Ok(self)
    }

    /// Sets the name of the cookie.
    ///
    /// # Errors
    ///
    /// Returns an error if `name` is not a token, as a cookie's name has to be (RFC 6265, section
    /// 4.1.1).
    pub fn name(mut self, name: &str) -> Result<Self, InvalidCookie> {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(InvalidCookie::Name { name: name.to_owned() });
        }
        self.name = name.into();
        Ok(self)
    }

    /// Allows the cookie over plain HTTP: for development on a local machine.
    pub fn insecure(mut self) -> Self {
        self.secure = false;
        self
    }

    /// Returns the key for a secret, bound to the purpose of the cookie and to its name.
    ///
    /// The signature itself covers the value alone. With one key for all cookies, a client could
    /// rename another cookie that the secret has signed, and whose value the client may have
    /// chosen.
    fn key(&self, secret: &[u8]) -> Key {
        const PURPOSE: &[u8] = b"flagstaff sticky cookie";
        // A name contains no zero byte, so each name and secret have bytes of their own.
        let bound = [PURPOSE, self.name.as_bytes(), secret].join(&0);
        Key::derive_from(&bound)
    }

    fn visitors(self) -> Visitors {
        let keys = self.secrets.iter().map(|secret| self.key(secret)).collect();
        Visitors { keys, name: self.name, secure: self.secure }
    }
}

/// A [`StickyCookie`] with its keys.
struct Visitors {
    /// The key that signs, then the other keys that are accepted.
    keys: Vec<Key>,
    name: Box<str>,
    secure: bool,
}

impl Visitors {
    /// Returns the visitor of that id, and the cookie that sends it to the client.
    fn newly_signed(&self, id: String) -> Visitor {
        let cookie = Cookie::build((&*self.name, &*id))
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.secure)
            .path("/")
            .max_age(Duration::days(365));
        let mut jar = CookieJar::new();
        let key = self.keys.first().expect("a cookie has a secret");
        jar.signed_mut(key).add(cookie.build().into_owned());
        let signed = jar.get(&self.name).expect("it was added just now");
        Visitor { set_cookie: HeaderValue::try_from(signed.to_string()).ok(), id }
    }

    /// Returns the visitor of a cookie that was signed with one of the keys. With any key but the
    /// first, the client gets a new cookie.
    fn verify(&self, cookie: &Cookie<'static>) -> Option<Visitor> {
        let jar = CookieJar::new();
        let verify = |key| jar.signed(key).verify(cookie.clone());
        let mut verified = self.keys.iter().map(verify).enumerate();
        let (position, cookie) = verified.find_map(|(n, cookie)| Some((n, cookie?)))?;
        let id = cookie.value().to_owned();
        Some(match position {
            0 => Visitor { id, set_cookie: None },
            _ => self.newly_signed(id),
        })
    }
}

impl Identify for Visitors {
    fn identify(&self, request: &RequestHead<'_>) -> Visitor {
        let new = || self.newly_signed(Uuid::new_v4().to_string());
        self.known(request).unwrap_or_else(new)
    }

    fn known(&self, request: &RequestHead<'_>) -> Option<Visitor> {
        let lines = request.headers.get_all(COOKIE).into_iter();
        // Parsed one by one: other cookies on the line may have any bytes, which browsers send unchanged.
        let pairs = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
        let pairs = pairs.filter_map(|pair| std::str::from_utf8(pair).ok());
        let cookies = pairs.filter_map(|pair| Cookie::parse(pair).ok());
        let mut ours = cookies.filter(|cookie| cookie.name() == &*self.name);
        ours.find_map(|cookie| self.verify(&cookie.into_owned()))
    }
}

impl<X> RequestLayer<X> {
    /// Gives a lasting id to visitors for whom the extractor finds no targeting key. See
    /// [`StickyCookie`].
    pub fn sticky_cookie(self, cookie: StickyCookie) -> Self {
        self.identified_by(Arc::new(cookie.visitors()))
    }
}

impl fmt::Debug for StickyCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StickyCookie")
            .field("name", &self.name)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

/// The error of a cookie's secret or name.
///
/// # Example
///
/// ```
/// use flagstaff::context::{InvalidCookie, StickyCookie};
///
/// assert_eq!(StickyCookie::new(b"hunter2").unwrap_err(), InvalidCookie::Secret);
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCookie {
    /// The secret is too short.
    #[error("the secret of a cookie is at least 32 bytes")]
    Secret,
    /// The name is not a token.
    #[error("`{}` cannot be the name of a cookie", line(name))]
    Name {
        /// The rejected name.
        name: String,
    },
}

crate::error::debug_is_message!(InvalidCookie);
