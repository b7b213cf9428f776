//! What a closed gate knows and who may turn it into a response.

use std::{error::Error, fmt, sync::Arc};

use bytes::Bytes;
use http::{Response, request::Parts};

use crate::model::Answer;

/// Why a gate was closed. It is in the response's extensions, so that layers around the gate can
/// log or count it; nothing of it is sent.
///
/// # Example
///
/// ```
/// use flagstaff::{gate::GateDenied, FlagGate, Flags, Memory, Reason};
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let flags = Flags::builder().source(Memory::new().with("beta", false)).start().await?;
/// let service = ServiceBuilder::new().layer(flags.gate("beta")).service_fn(
///     async |_: Request<String>| Ok::<_, std::convert::Infallible>(Response::new(String::new())),
/// );
///
/// let response = service.oneshot(Request::default()).await?;
///
/// let denied = response.extensions().get::<GateDenied>().expect("the gate is closed");
/// assert_eq!(denied.key(), "beta");
/// assert_eq!(denied.answer().reason, Reason::Disabled);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateDenied {
    key: Arc<str>,
    answer: Answer<bool>,
}

impl GateDenied {
    pub(super) fn new(key: &Arc<str>, answer: Answer<bool>) -> Self {
        Self { key: Arc::clone(key), answer }
    }

    /// The flag that kept the gate closed. When several did, it is the first.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its evaluation details. The value is `true` if the gate wants the flag off.
    #[must_use]
    pub fn answer(&self) -> Answer<bool> {
        self.answer
    }
}

impl fmt::Display for GateDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.answer.value { "on" } else { "off" };
        write!(f, "flag `{}` is {state} ({})", self.key, self.answer.reason)
    }
}

impl Error for GateDenied {}

/// Builds the response of a closed gate: a closure, mostly. See [`FlagGate::respond_with`].
///
/// It must not panic, and it is on the request path: it must not wait.
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use flagstaff::{gate::{DenialResponse, GateDenied}, FlagGate};
/// use http::{Response, request::Parts};
///
/// struct Page(Bytes);
///
/// impl DenialResponse for Page {
///     fn respond(&self, _denied: &GateDenied, _request: &Parts) -> Response<Bytes> {
///         Response::new(self.0.clone())
///     }
/// }
///
/// let gate = FlagGate::new("beta").respond_with(Page("<h1>Soon</h1>".into()));
/// ```
///
/// [`FlagGate::respond_with`]: super::FlagGate::respond_with
pub trait DenialResponse {
    /// The response to `request`, whose body nobody has read.
    fn respond(&self, denied: &GateDenied, request: &Parts) -> Response<Bytes>;
}

impl<F, T> DenialResponse for F
where
    F: Fn(&GateDenied, &Parts) -> Response<T>,
    T: Into<Bytes>,
{
    fn respond(&self, denied: &GateDenied, request: &Parts) -> Response<Bytes> {
        self(denied, request).map(Into::into)
    }
}
