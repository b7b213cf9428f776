//! Ids for visitors without an account.

use std::{fmt, sync::Arc};

use cookie::{Cookie, CookieJar, Key, SameSite, time::Duration};
use http::{HeaderValue, header::COOKIE};
use uuid::Uuid;

use super::{
    RequestHead, RequestLayer,
    request::{Identify, Visitor},
};

/// Gives visitors whom the extractor does not know an id that lasts, in a signed cookie, so that
/// a percentage has the same answer for them on every visit.
///
/// The id is random. A request without the cookie gets a new one, and its response sets the
/// cookie: `HttpOnly; SameSite=Lax; Secure; Path=/`, for a year. So does a request whose cookie
/// was not signed with the secret: nobody can make up an id that falls into a chosen bucket,
/// though everybody can drop the cookie and get another random one.
///
/// A response that sets the cookie gets `Cache-Control: private`, unless it has that or `no-store`,
/// so that no cache in between hands one visitor's id to another.
///
/// # Login
///
/// A visitor who logs in gets the bucket of the account, since the user's id replaces the visitor's
/// as the targeting key. A percentage may then answer differently. To keep the bucket, draw by the
/// attribute `visitor`: `bucket_by = "visitor"`. It is the id in the cookie, also after the login. For
/// a user without the cookie it is the user's id. An attribute of that name from the extractor stays
/// as it is.
///
/// All processes of a service need the same secret. A new secret makes every visitor a new one.
///
/// # Example
///
/// ```
/// use flagstaff::{context::StickyCookie, Definition, Flags, Memory, Percentage, TrustedHeaders};
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
///     .request_layer(TrustedHeaders::default())
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
    key: Key,
    name: Arc<str>,
    secure: bool,
}

impl StickyCookie {
    /// A cookie named `flagstaff_visitor`, signed with a key that is derived from `secret`: at
    /// least 32 random bytes.
    ///
    /// # Errors
    ///
    /// If the secret is shorter than that.
    pub fn new(secret: &[u8]) -> Result<Self, InvalidCookie> {
        if secret.len() < 32 {
            return Err(InvalidCookie::Secret);
        }
        let key = Key::derive_from(secret);
        Ok(Self { key, name: "flagstaff_visitor".into(), secure: true })
    }

    /// Gives the cookie another name.
    ///
    /// # Errors
    ///
    /// If `name` cannot be the name of a cookie, which is a token (RFC 6265, section 4.1.1).
    pub fn name(mut self, name: &str) -> Result<Self, InvalidCookie> {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(InvalidCookie::Name { name: name.to_owned() });
        }
        self.name = name.into();
        Ok(self)
    }

    /// Lets the cookie be sent over plain HTTP: for development on a machine of one's own.
    pub fn insecure(mut self) -> Self {
        self.secure = false;
        self
    }

    fn set(&self, id: &str) -> Option<HeaderValue> {
        let cookie = Cookie::build((&*self.name, id))
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.secure)
            .path("/")
            .max_age(Duration::days(365));
        let mut jar = CookieJar::new();
        jar.signed_mut(&self.key).add(cookie.build().into_owned());
        HeaderValue::try_from(jar.get(&self.name)?.to_string()).ok()
    }
}

fn is_id(text: &str) -> bool {
    let canonical = |id: Uuid| id.get_version_num() == 4 && id.to_string() == text;
    Uuid::try_parse(text).is_ok_and(canonical)
}

impl Identify for StickyCookie {
    fn identify(&self, request: &RequestHead<'_>) -> Visitor {
        if let Some(id) = self.known(request) {
            return Visitor { id, set_cookie: None };
        }
        let id = Uuid::new_v4().to_string();
        let set_cookie = self.set(&id);
        Visitor { id, set_cookie }
    }

    fn known(&self, request: &RequestHead<'_>) -> Option<String> {
        let lines = request.headers.get_all(COOKIE).into_iter();
        // One by one: the others on the line may hold anything, which browsers send as it is.
        let pairs = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
        let pairs = pairs.filter_map(|pair| std::str::from_utf8(pair).ok());
        let cookies = pairs.filter_map(|pair| Cookie::parse(pair).ok());
        let mut ours = cookies.filter(|cookie| cookie.name() == &*self.name);
        let jar = CookieJar::new();
        ours.find_map(|cookie| {
            let id = jar.signed(&self.key).verify(cookie.into_owned())?;
            // The secret may have signed other cookies too, whose values people can choose.
            is_id(id.value()).then(|| id.value().to_owned())
        })
    }
}

impl<X> RequestLayer<X> {
    /// Gives those an id that lasts whom the extractor finds no targeting key for. See
    /// [`StickyCookie`].
    pub fn sticky_cookie(self, cookie: StickyCookie) -> Self {
        self.identified_by(Arc::new(cookie))
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

/// A cookie that cannot be.
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
    /// The secret is too short to be one.
    #[error("the secret of a cookie is at least 32 bytes")]
    Secret,
    /// The name is not a token.
    #[error("`{name}` cannot be the name of a cookie")]
    Name {
        /// What was given.
        name: String,
    },
}

crate::error::debug_is_message!(InvalidCookie);
