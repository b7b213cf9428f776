//! The flag that a gate or a switch evaluates, and the state that it must be in.

use crate::{flags::KnownFlag, model::FlagKey};

/// A flag that must be on, or off, for a gate to open.
///
/// A flag alone must be on: see [`IntoRequirement`].
///
/// # Example
///
/// ```
/// use flagstaff::{gate::Requirement, FlagGate, FlagName};
///
/// const MAINTENANCE: FlagName = FlagName::new("maintenance");
///
/// let gate = FlagGate::all([Requirement::on("new_checkout"), Requirement::off(MAINTENANCE)]);
/// let same = FlagGate::all(["new_checkout".into(), Requirement::off("maintenance")]);
/// ```
#[derive(Debug, Clone)]
pub struct Requirement {
    pub(super) flag: KnownFlag,
    pub(super) on: bool,
}

impl Requirement {
    /// Requires the flag to be on.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{FlagGate, Flags, Memory, gate::Requirement};
    /// use http::{Request, Response, StatusCode};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new().with("closed", true)).start().await?;
    /// let gate = FlagGate::new(Requirement::on("closed")).flags(&flags);
    ///
    /// # let service = gate.layer(service_fn(async |_: Request<()>| {
    /// #     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    /// # }));
    /// let response = service.oneshot(Request::new(())).await?;
    ///
    /// assert_eq!(response.status(), StatusCode::OK, "the flag is on");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn on(flag: impl FlagKey) -> Self {
        Self { flag: KnownFlag::new(flag.as_str().into()), on: true }
    }

    /// Requires the flag to be off.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{FlagGate, Flags, Memory, gate::Requirement};
    /// use http::{Request, Response, StatusCode};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let flags = Flags::builder().source(Memory::new().with("closed", false)).start().await?;
    /// let gate = FlagGate::new(Requirement::off("closed")).flags(&flags);
    ///
    /// # let service = gate.layer(service_fn(async |_: Request<()>| {
    /// #     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    /// # }));
    /// let response = service.oneshot(Request::new(())).await?;
    ///
    /// assert_eq!(response.status(), StatusCode::OK, "the flag is off");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn off(flag: impl FlagKey) -> Self {
        Self { on: false, ..Self::on(flag) }
    }
}

impl<K: FlagKey> From<K> for Requirement {
    fn from(flag: K) -> Self {
        Self::on(flag)
    }
}

/// A flag for a gate or a switch: any [`FlagKey`], which must then be on, or a [`Requirement`].
///
/// The trait is sealed: only these types implement it.
///
/// # Example
///
/// ```
/// use flagstaff::{gate::Requirement, FlagGate, FlagName};
///
/// const NEW_CHECKOUT: FlagName = FlagName::new("new_checkout");
///
/// let by_constant = FlagGate::new(NEW_CHECKOUT);
/// let by_name = FlagGate::new("new_checkout");
/// let while_off = FlagGate::new(Requirement::off("new_checkout"));
/// ```
///
/// Any other type does not compile:
///
/// ```compile_fail
/// let gate = flagstaff::FlagGate::new(42);
/// ```
// Instead of `Into<Requirement>`, whose errors would be about `From` and not about flags.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a flag",
    label = "neither a flag nor a requirement",
    note = "name the flag by a `&str`, a `String`, a `FlagName` constant or a `Flag`",
    note = "or say which state it must be in: `Requirement::on(\"flag\")` or `Requirement::off(\"flag\")`"
)]
pub trait IntoRequirement: sealed::Sealed {
    /// Converts into the requirement.
    fn into_requirement(self) -> Requirement;
}

impl<K: FlagKey> IntoRequirement for K {
    fn into_requirement(self) -> Requirement {
        Requirement::on(self)
    }
}

impl IntoRequirement for Requirement {
    fn into_requirement(self) -> Requirement {
        self
    }
}

mod sealed {
    use super::{FlagKey, Requirement};

    pub trait Sealed {}

    impl<K: FlagKey> Sealed for K {}
    impl Sealed for Requirement {}
}
