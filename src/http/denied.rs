//! The reason why a gate was closed.

use std::{error::Error, fmt, sync::Arc};

use crate::{flags::Unmet, model::Answer, text::line};

/// The flag that kept a gate closed, and its evaluation details.
///
/// A closed gate puts this into the response's extensions, so that layers around the gate can log
/// or count the reason. It is never sent to the client.
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
    unavailable: bool,
}

impl GateDenied {
    #[cold]
    pub(super) fn new(key: &Arc<str>, unmet: Unmet) -> Self {
        let Unmet { answer, unavailable } = unmet;
        Self { key: Arc::clone(key), answer, unavailable }
    }

    /// Returns the key of the flag that kept the gate closed. If several did, it is the first.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the flag's evaluation details. The value is `true` if the gate requires the flag to
    /// be off.
    #[must_use]
    pub fn answer(&self) -> Answer<bool> {
        self.answer
    }

    /// Returns true if the gate is closed because a source has been lost for too long, and the flag
    /// has `on_stale = "unavailable"`. Such a gate responds with 503.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.unavailable
    }
}

impl fmt::Display for GateDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.answer.value { "on" } else { "off" };
        write!(f, "flag `{}` is {state} ({})", line(&self.key), self.answer.reason)
    }
}

impl Error for GateDenied {}
